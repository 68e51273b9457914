// Text that is safe in a page, whatever a file's names hold, and numbers as the page's script would
// write them. specs/reports.md clauses 3 and 4.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace thaw::app {

// For text and for attributes in double quotes.
[[nodiscard]] std::string html(std::string_view text);
// printable() of a name from a file, then html().
[[nodiscard]] std::string html_name(std::string_view raw);

// JSON that may stand between <script> tags: no <, > or &, and no line ends of Unicode.
[[nodiscard]] std::string script_json(std::string_view json);

// What a Content-Security-Policy calls an inline style or script: 'sha256-...' with the quotes.
// Empty where the system's libcrypto refuses.
[[nodiscard]] std::string policy_hash(std::string_view content);

// Three digits: "0.0123", "1.23e-7"; ties away from zero, as JavaScript has them.
[[nodiscard]] std::string figure_html(double value);
// So many digits behind the point, rounded likewise.
[[nodiscard]] std::string fixed_html(double value, int places);
// "1 234 567", with narrow spaces.
[[nodiscard]] std::string count_html(std::uint64_t count);
// "141.1 GB".
[[nodiscard]] std::string size_html(std::uint64_t bytes);

}  // namespace thaw::app
