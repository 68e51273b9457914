// One page that needs nothing else: the template of apps/report, filled in. specs/reports.md.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "html_table.h"
#include "report_file.h"

namespace thaw::app {

enum class Tone : std::uint8_t { good, note, bad };

// What fills the template. All text is printable but for `sections`, which is HTML.
struct Page {
  std::string title;     // of the window
  std::string kind;      // "Comparison"
  std::string headline;  // the verdict
  Tone tone = Tone::note;
  std::string lead;                                           // a sentence or two below it
  std::vector<std::pair<std::string, std::string>> subjects;  // what it is about: "A", a path
  std::vector<std::pair<std::string, std::string>> facts;     // figures, ready as HTML
  std::string sections;                                       // HTML, each with its <h2>
  std::string table_title;
  std::string table_caption;
  PageTable table;
  // Members of the embedded JSON beside the table's.
  std::function<void(JsonOut&)> add_members;
};

// Errors: ErrorCode::bug where libcrypto makes no hash.
[[nodiscard]] Result<std::string> page_html(const Page& page);

// A <section> with a heading and a list of printable lines, the first 100 of them; empty without.
[[nodiscard]] std::string list_section(const std::string& title,
                                       const std::vector<std::string>& lines);
[[nodiscard]] std::string section_html(const std::string& title, const std::string& content);

// Opens the file of --html, as ReportFile does; an empty path opens nothing. Errors besides:
// ErrorCode::usage where a file stands at `path` that is no page, such as a checkpoint's.
[[nodiscard]] Result<ReportFile> open_page(const std::string& path);

}  // namespace thaw::app
