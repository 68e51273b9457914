# What is installed beside the program, and the Debian package of all that, which holds nothing for
# those who build against the library: tools/package/build.sh.
set(THAW_SYSTEMD_DIR lib/systemd/system CACHE STRING "Where units go, below the prefix or absolute")
set(THAW_MAINTAINER "The thaw developers <thaw@packages.invalid>" CACHE STRING
    "Maintainer that the package names")

set(thaw_doc ${CMAKE_INSTALL_DATADIR}/doc/thaw)
file(GLOB thaw_doc_pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/specs/*.md
     ${PROJECT_SOURCE_DIR}/specs/*.schema.json)
install(FILES ${thaw_doc_pages} DESTINATION ${thaw_doc} COMPONENT program)
install(FILES ${PROJECT_SOURCE_DIR}/tools/cron/thaw DESTINATION ${thaw_doc}/examples
        RENAME thaw.cron COMPONENT program)
install(FILES ${PROJECT_SOURCE_DIR}/tools/systemd/thaw@.service
              ${PROJECT_SOURCE_DIR}/tools/systemd/thaw@.timer
        DESTINATION ${THAW_SYSTEMD_DIR} COMPONENT program)

# Debian's changelog has a date in a form of its own; 0 o'clock, so that the bytes do not change.
set(thaw_package ${CMAKE_BINARY_DIR}/package)
find_program(DATE date REQUIRED)
execute_process(COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C TZ=UTC ${DATE} -d ${THAW_RELEASE_DATE} -R
                OUTPUT_VARIABLE THAW_CHANGELOG_DATE OUTPUT_STRIP_TRAILING_WHITESPACE)
configure_file(${CMAKE_CURRENT_LIST_DIR}/changelog.in ${thaw_package}/changelog.Debian @ONLY)
configure_file(${CMAKE_CURRENT_LIST_DIR}/copyright.in ${thaw_package}/copyright @ONLY)
execute_process(COMMAND gzip -9nf ${thaw_package}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)
install(FILES ${thaw_package}/changelog.Debian.gz ${thaw_package}/copyright
        DESTINATION ${thaw_doc} COMPONENT program)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/lintian-overrides
        DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides RENAME thaw COMPONENT program)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME thaw)
set(CPACK_PACKAGE_VENDOR thaw)
set(CPACK_PACKAGE_CONTACT ${THAW_MAINTAINER})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "convert quantized AWQ and GPTQ checkpoints to float safetensors")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"thaw reads int4 and int8 checkpoints of large language models (AWQ, GPTQ,
compressed-tensors) and writes float safetensors that transformers, vLLM,
llama.cpp and MLX open. Every weight is the exact value of its code, zero
and scale, rounded once. It runs in bounded memory on machines without a
GPU, continues interrupted runs, and proves its results.")
# The library's archive, headers and CMake files belong to those who build against it.
set(CPACK_COMPONENTS_ALL program)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME thaw)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
include(CPack)
