# Manual pages and completions, made by the program from the table that parses its options and
# installed where man and the shells look. Not where the program cannot run: cross-compiled, or with
# a sanitizer that wants help of its own.
if(CMAKE_CROSSCOMPILING OR THAW_SANITIZE)
  return()
endif()

find_program(GZIP gzip REQUIRED)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/pages)
set(thaw_pages "")

# What the program says with the given words, as a file installed in a directory of share.
function(thaw_page file directory)
  set(path ${CMAKE_BINARY_DIR}/pages/${file})
  set(made ${path})
  set(compress "")
  if(file MATCHES "\\.1$")
    set(made ${path}.gz)
    set(compress COMMAND ${GZIP} -9nf ${path})
  endif()
  add_custom_command(OUTPUT ${made} COMMAND thaw_app ${ARGN} > ${path} ${compress}
                     DEPENDS thaw_app VERBATIM)
  install(FILES ${made} DESTINATION ${CMAKE_INSTALL_DATADIR}/${directory} COMPONENT program)
  set(thaw_pages ${thaw_pages} ${made} PARENT_SCOPE)
endfunction()

thaw_page(thaw.1 man/man1 --man)
foreach(command IN ITEMS convert inspect verify compare specs run)
  thaw_page(thaw-${command}.1 man/man1 --man ${command})
endforeach()
thaw_page(thaw bash-completion/completions --completion bash)
thaw_page(_thaw zsh/vendor-completions --completion zsh)
thaw_page(thaw.fish fish/vendor_completions.d --completion fish)
add_custom_target(thaw_pages ALL DEPENDS ${thaw_pages})
