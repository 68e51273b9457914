# How the files of one instruction set each are compiled. Always optimised, in Debug builds too: a
# body that is not inlined would leave weak symbols without the architecture in their name, and
# the linker may keep such a copy for every caller. Nothing here may depend on the build type.
#
# The NEON kernels, cross compiled on Debian and tested in an emulator (g++-aarch64-linux-gnu and
# qemu-user; the cross compiler finds the headers of xsimd and doctest in /usr/include itself):
#   cmake -G Ninja -S . -B build/aarch64 -DTHAW_KERNELS_ONLY=ON -DCMAKE_SYSTEM_NAME=Linux \
#     -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
#     -DCMAKE_EXE_LINKER_FLAGS=-static -DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64
#   ninja -C build/aarch64 kernels_test && ctest --test-dir build/aarch64 -R kernels

set(kernel_optimisation -O3)
if(THAW_SANITIZE)
  set(kernel_optimisation -O2)  # what checks every access and is unrolled compiles for minutes
endif()
set(kernel_flags ${kernel_optimisation} -fno-exceptions -fno-math-errno -ffp-contract=off)
set(ssse3_flags -mssse3)
set(avx2_flags -mavx2 -mf16c -mfma)
set(avx512_flags -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mf16c)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 takes the undefined vectors inside its own intrinsics for ours (GCC bug 105593).
  list(APPEND avx512_flags -Wno-maybe-uninitialized -Wno-uninitialized)
endif()
set(neon_flags "")
set(scalar_flags "")
set(x86_kernels ssse3 avx2 avx512)
set(arm_kernels neon)

set(kernel_folder ${CMAKE_CURRENT_SOURCE_DIR}/kernels)
# Their flags are not those of a precompiled header.
foreach(isa IN ITEMS scalar ${x86_kernels} ${arm_kernels})
  set_source_files_properties(${kernel_folder}/${isa}.cc PROPERTIES
    COMPILE_OPTIONS "${kernel_flags};${${isa}_flags}" SKIP_PRECOMPILE_HEADERS ON)
endforeach()
set_source_files_properties(${kernel_folder}/overflow.cc PROPERTIES
  COMPILE_OPTIONS "${kernel_flags}" SKIP_PRECOMPILE_HEADERS ON)

# Files of the other architecture are only listed.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(foreign_kernels ${arm_kernels})
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(foreign_kernels ${x86_kernels})
else()
  set(foreign_kernels ${x86_kernels} ${arm_kernels})
endif()
foreach(isa IN LISTS foreign_kernels)
  set_source_files_properties(${kernel_folder}/${isa}.cc PROPERTIES HEADER_FILE_ONLY ON)
endforeach()
target_include_directories(thaw_kernels SYSTEM PRIVATE ${XSIMD_INCLUDE_DIR})

if(THAW_BUILD_TESTS)
  add_test(NAME kernels_export_one_symbol
    COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} "-DOBJECTS=$<JOIN:$<TARGET_OBJECTS:thaw_kernels>,,>"
            -P ${PROJECT_SOURCE_DIR}/tests/kernels/one_symbol.cmake)
endif()
