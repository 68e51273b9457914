# ISA-L comes without a CMake package: the target ISAL::isal. Used by the build and, installed
# beside thaw-config.cmake, by those who use the library.
if(NOT TARGET ISAL::isal)
  find_path(ISAL_INCLUDE_DIR isa-l/crc.h)
  find_library(ISAL_LIBRARY isal)
  if(NOT ISAL_INCLUDE_DIR OR NOT ISAL_LIBRARY)
    message(FATAL_ERROR "ISA-L was not found (Debian and Ubuntu: libisal-dev)")
  endif()
  add_library(ISAL::isal UNKNOWN IMPORTED)
  set_target_properties(ISAL::isal PROPERTIES IMPORTED_LOCATION "${ISAL_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${ISAL_INCLUDE_DIR}")
endif()
