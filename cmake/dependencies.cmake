# Every dependency of linnet, each as one imported target. third_party/README.md says what each is for.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(linnet_pkg target module)
    pkg_check_modules(${target} REQUIRED IMPORTED_TARGET ${module})
    add_library(linnet::${target} ALIAS PkgConfig::${target})
endfunction()

linnet_pkg(uv "libuv>=1.44")
linnet_pkg(sqlite "sqlite3>=3.40")
linnet_pkg(strophe "libstrophe>=0.12")
linnet_pkg(idn2 "libidn2")
linnet_pkg(tomlplusplus "tomlplusplus")

# mbedTLS 2.28 comes without pkg-config files, and libunistring never had one.
function(linnet_library target)
    add_library(${target}_import INTERFACE)
    foreach(name ${ARGN})
        find_library(LINNET_LIB_${name} ${name} REQUIRED)
        target_link_libraries(${target}_import INTERFACE ${LINNET_LIB_${name}})
    endforeach()
    add_library(linnet::${target} ALIAS ${target}_import)
endfunction()
linnet_library(mbedtls mbedtls mbedx509 mbedcrypto)
linnet_library(unistring unistring)

add_library(mimalloc_import INTERFACE)
if(LINNET_MIMALLOC)
    find_package(mimalloc QUIET)
    if(mimalloc_FOUND)
        # --no-as-needed: no symbol of it is named in our code; it takes malloc() over by being linked.
        target_link_libraries(mimalloc_import INTERFACE -Wl,--push-state,--no-as-needed mimalloc -Wl,--pop-state)
    endif()
endif()
add_library(linnet::mimalloc ALIAS mimalloc_import)
