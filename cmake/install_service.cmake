# Run by `cmake --install` (install.cmake): the unit, the configuration and the logrotate rule of this prefix.
# Given: source_dir, scratch_dir, bin_dir, doc_dir.
set(config_file /etc/linnet/linnet.toml)

configure_file(${source_dir}/cmake/linnet.service.in ${scratch_dir}/linnet.service @ONLY)
file(INSTALL ${scratch_dir}/linnet.service DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/systemd/system)

# The example with the folders of a service in place of one beside the file.
function(write_config path)
    file(READ ${source_dir}/config.example.toml text)
    foreach(change "data_dir = \"data\"|data_dir = \"/var/lib/linnet\"" "socket = \"\"|socket = \"/run/linnet/linnet.sock\"")
        string(REPLACE "|" ";" change "${change}")
        list(GET change 0 from)
        list(GET change 1 to)
        string(FIND "${text}" "\n${from}\n" at)
        if(at EQUAL -1)
            message(FATAL_ERROR "config.example.toml no longer has the line ${from}, which cmake/install_service.cmake changes")
        endif()
        string(REPLACE "\n${from}\n" "\n${to}\n" text "${text}")
    endforeach()
    file(WRITE ${path} "${text}")
endfunction()

# An operator's file is never overwritten.
function(install_once source folder name)
    if(EXISTS "$ENV{DESTDIR}${folder}/${name}")
        message(STATUS "Kept: $ENV{DESTDIR}${folder}/${name}")
    else()
        file(INSTALL ${source} DESTINATION ${folder} RENAME ${name})
    endif()
endfunction()

write_config(${scratch_dir}/linnet.toml)
install_once(${scratch_dir}/linnet.toml /etc/linnet linnet.toml)
configure_file(${source_dir}/cmake/linnet.logrotate.in ${scratch_dir}/linnet.logrotate @ONLY)
install_once(${scratch_dir}/linnet.logrotate /etc/logrotate.d linnet)
