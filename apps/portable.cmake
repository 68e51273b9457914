# thaw_portable: the program once more, from the same objects, for packages that are installed on
# systems other than the one that built them. Libraries whose archives the system has are linked in;
# the shared ones that are left (Debian and Ubuntu have no archives of simdjson and ISA-L) are carried
# along: by auditwheel in a wheel, in lib/thaw/lib in a package (for lib/thaw CPack would run ldconfig).
# libc, libm, libstdc++ and libgcc_s are the system's. Built on demand, or with THAW_PORTABLE.
set(thaw_portable_libraries "")
set(thaw_carried_libraries "")
foreach(name IN ITEMS boost_program_options boost_iostreams simdjson isal zstd crypto z)
  find_library(THAW_PORTABLE_${name} NAMES lib${name}.a ${name} REQUIRED)
  mark_as_advanced(THAW_PORTABLE_${name})
  list(APPEND thaw_portable_libraries ${THAW_PORTABLE_${name}})
  if(NOT THAW_PORTABLE_${name} MATCHES "\\.a$")
    list(APPEND thaw_carried_libraries ${THAW_PORTABLE_${name}})
  endif()
endforeach()

find_package(Threads REQUIRED)
add_executable(thaw_portable EXCLUDE_FROM_ALL $<TARGET_OBJECTS:thaw_app_objects>)
add_dependencies(thaw_portable thaw)
set_target_properties(thaw_portable PROPERTIES OUTPUT_NAME thaw
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/portable)
target_link_libraries(thaw_portable PRIVATE $<TARGET_FILE:thaw> ${thaw_portable_libraries}
                      Threads::Threads ${CMAKE_DL_LIBS})
# Not libstdc++, which the shared ones among them use too: a program should have one.
target_link_options(thaw_portable PRIVATE -pie LINKER:-z,relro,-z,now LINKER:--gc-sections
                    LINKER:--as-needed)
if(NOT THAW_PORTABLE)
  return()
endif()

set_target_properties(thaw_portable PROPERTIES EXCLUDE_FROM_ALL OFF INSTALL_RPATH "$ORIGIN/../lib/thaw/lib")
install(TARGETS thaw_portable DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
foreach(library IN LISTS thaw_carried_libraries)
  # By the name that the program asks for, which is the library's own.
  file(REAL_PATH ${library} file)
  execute_process(COMMAND ${CMAKE_READELF} --dynamic ${file} OUTPUT_VARIABLE entries
                  COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCH "soname: \\[([^]]+)\\]" found "${entries}")
  install(FILES ${file} DESTINATION lib/thaw/lib RENAME ${CMAKE_MATCH_1} COMPONENT program)
endforeach()
