// The files of apps/report, which the build puts into the program (apps/report/embed.cmake).
#pragma once

#include <string_view>

namespace thaw::app {

extern const std::string_view kPageTemplate;  // page.html
extern const std::string_view kPageStyle;     // page.css
extern const std::string_view kPageScript;    // page.js

}  // namespace thaw::app
