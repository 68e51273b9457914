# Writes OUT, a source file with the bytes of the files of the page: no file is read at run time.
#   cmake -DFOLDER=apps/report -DOUT=page_files.cc -P embed.cmake
set(text "#include \"page_files.h\"\n\nnamespace thaw::app {\n\nnamespace {\n")
set(names "")
foreach(pair Template:page.html Style:page.css Script:page.js)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 name)
  list(GET pair 1 file)
  file(READ ${FOLDER}/${file} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND text "constexpr char k${name}Bytes[] = {${bytes}};\n")
  string(APPEND names
    "const std::string_view kPage${name}(k${name}Bytes, sizeof k${name}Bytes);\n")
endforeach()
string(APPEND text "}  // namespace\n\n${names}\n}  // namespace thaw::app\n")
file(WRITE ${OUT} "${text}")
