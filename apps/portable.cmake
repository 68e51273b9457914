# thaw_portable: the program once more, from the same objects, with as few shared libraries as the
# system's archives allow, for packages that carry everything along (tools/python). Built on demand.
set(thaw_portable_libraries "")

# The archive of each, else the shared library, that a package must then carry.
foreach(name IN ITEMS boost_program_options simdjson isal archive zstd crypto z)
  find_library(THAW_PORTABLE_${name} NAMES lib${name}.a ${name} REQUIRED)
  mark_as_advanced(THAW_PORTABLE_${name})
  list(APPEND thaw_portable_libraries ${THAW_PORTABLE_${name}})
endforeach()

find_package(Threads REQUIRED)
add_executable(thaw_portable EXCLUDE_FROM_ALL $<TARGET_OBJECTS:thaw_app_objects>)
add_dependencies(thaw_portable thaw)
set_target_properties(thaw_portable PROPERTIES OUTPUT_NAME thaw-portable)
target_link_libraries(thaw_portable PRIVATE $<TARGET_FILE:thaw> ${thaw_portable_libraries}
                      Threads::Threads ${CMAKE_DL_LIBS})
# Not libstdc++, which the shared ones among them use too: a program should have one.
target_link_options(thaw_portable PRIVATE -pie LINKER:-z,relro,-z,now LINKER:--gc-sections
                    LINKER:--as-needed)
