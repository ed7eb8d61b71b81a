# cairn_link_archives(): from here on Debian's static archives stand for the shared libraries that were
# found, wherever both are installed.
#
# gRPC and what it stands on are sixty shared libraries with 15,000 symbols to look up, which is half of a
# short command's time, and pages that every process has to itself afterwards. libcurl stays shared (its
# archive's own dependencies have none), and so does OpenSSL, which libcurl brings along.

set(CAIRN_KEEP_SHARED "lib(curl|ssl|crypto)\\.so")

# The archive beside the shared library `path`, or `path`.
function(cairn_archive_of path result)
  set(${result} ${path} PARENT_SCOPE)
  if(path MATCHES "^/.*\\.so(\\.[0-9.]+)?$" AND NOT path MATCHES "${CAIRN_KEEP_SHARED}")
    string(REGEX REPLACE "\\.so(\\.[0-9.]+)?$" ".a" archive ${path})
    if(EXISTS ${archive})
      set(${result} ${archive} PARENT_SCOPE)
    endif()
  endif()
endfunction()

function(cairn_link_archives)
  get_directory_property(targets IMPORTED_TARGETS)
  foreach(target ${targets})
    foreach(property IMPORTED_LOCATION IMPORTED_LOCATION_NONE IMPORTED_LOCATION_RELEASE)
      get_target_property(location ${target} ${property})
      if(location)
        cairn_archive_of(${location} archive)
        set_target_properties(${target} PROPERTIES ${property} ${archive})
      endif()
    endforeach()
    get_target_property(libraries ${target} INTERFACE_LINK_LIBRARIES)
    if(libraries)
      set(archives)
      foreach(library ${libraries})
        cairn_archive_of(${library} archive)
        list(APPEND archives ${archive})
      endforeach()
      set_target_properties(${target} PROPERTIES INTERFACE_LINK_LIBRARIES "${archives}")
    endif()
  endforeach()
  # What the archives need themselves, which the shared libraries knew.
  set_property(TARGET RocksDB::rocksdb-shared APPEND PROPERTY
    INTERFACE_LINK_LIBRARIES snappy lz4 bz2 z zstd dl)
  set_property(TARGET LibArchive::LibArchive APPEND PROPERTY INTERFACE_LINK_LIBRARIES lzma bz2 z)
endfunction()
