# How the files of one instruction set each are compiled. Always optimised, in Debug builds too: a
# body that is not inlined would leave weak symbols without the architecture in their name, and
# the linker may keep such a copy for every caller. Nothing here may depend on the build type.

set(kernel_flags -O3 -fno-exceptions -fno-math-errno -ffp-contract=off)
set(ssse3_flags -mssse3)
set(avx2_flags -mavx2 -mf16c)
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
foreach(isa IN ITEMS scalar ${x86_kernels} ${arm_kernels})
  set_source_files_properties(${kernel_folder}/${isa}.cc PROPERTIES
    COMPILE_OPTIONS "${kernel_flags};${${isa}_flags}")
endforeach()
set_source_files_properties(${kernel_folder}/overflow.cc PROPERTIES
  COMPILE_OPTIONS "${kernel_flags}")

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
