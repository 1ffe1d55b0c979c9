# What `cmake --install build/release [--prefix /usr]` puts where; DESTDIR is honoured, as packagers need it.
#
#   PREFIX/bin                     linnet, linnetctl
#   PREFIX/lib/systemd/system      linnet.service, with the paths of this prefix
#   PREFIX/lib/sysusers.d          the system user
#   PREFIX/share/doc/linnet        documentation, config.example.toml
#   /etc/linnet/linnet.toml        made once, never overwritten
#   /etc/logrotate.d/linnet        likewise
#
# A service keeps its configuration and data at the same places whatever the prefix: /etc/linnet, /var/lib/linnet, /run/linnet.
install(TARGETS linnet linnetctl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES README.md CHANGELOG.md LICENSE config.example.toml DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES cmake/linnet.sysusers DESTINATION lib/sysusers.d RENAME linnet.conf)

# The prefix may be given when installing, so what names it is written then.
install(CODE "
set(source_dir \"${PROJECT_SOURCE_DIR}\")
set(scratch_dir \"${PROJECT_BINARY_DIR}/install\")
set(bin_dir \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
set(doc_dir \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}\")
include(\"${PROJECT_SOURCE_DIR}/cmake/install_service.cmake\")
")
