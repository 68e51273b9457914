# Each kernel file exports its table and nothing else: a weak or unique symbol would have no
# architecture in its name, and the linker might keep that copy for every caller.
#   cmake -DNM=nm -DOBJECTS=a.o,b.o -P one_symbol.cmake
string(REPLACE "," ";" objects "${OBJECTS}")
set(checked 0)
foreach(object IN LISTS objects)
  if(NOT object MATCHES "/(scalar|ssse3|avx2|avx512|neon)\\.cc\\.")
    continue()
  endif()
  execute_process(COMMAND ${NM} --defined-only --extern-only ${object}
                  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  # Data of AddressSanitizer, and the types of functions, which clang's UBSan compares at calls.
  string(REGEX REPLACE "[^\n]*(__odr_asan| V _ZT[IS]F)[^\n]*\n?" "" symbols "${symbols}")
  if(NOT symbols MATCHES "^[0-9a-f]+ [DR] _ZN4thaw7kernels[0-9]+k[A-Za-z0-9]+TableE\n?$")
    message(FATAL_ERROR "${object} should export one table, but has\n${symbols}")
  endif()
  math(EXPR checked "${checked} + 1")
endforeach()
if(checked LESS 2)
  message(FATAL_ERROR "Found ${checked} kernel objects in ${OBJECTS}")
endif()
