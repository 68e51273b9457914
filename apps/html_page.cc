#include "html_page.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>
#include <system_error>

#include "html_text.h"
#include "page_files.h"

namespace thaw::app {

namespace {

constexpr std::size_t kRowsWithoutScript = 500;
constexpr std::size_t kMostLines = 100;
constexpr std::string_view kBegin = "<!doctype html>";

struct ToneWords {
  const char* look;
  const char* word;  // because a colour alone says nothing
  const char* icon;  // a path of 16 by 16
};
constexpr std::array<ToneWords, 3> kTones = {{
    {"good", "All well", "M3.5 8.5l3 3 6-7"},
    {"note", "Note", "M8 4v5M8 11.4v.6"},
    {"bad", "Attention", "M4.5 4.5l7 7m0-7l-7 7"},
}};

using Values = std::map<std::string_view, std::string>;

// {{name}} becomes the value of that name; values are not looked at again.
std::string fill(std::string_view text, const Values& values) {
  std::string filled;
  for (;;) {
    const std::size_t open = text.find("{{");
    filled += text.substr(0, open);
    if (open == std::string_view::npos) return filled;
    const std::size_t close = text.find("}}", open);
    filled += values.at(text.substr(open + 2, close - open - 2));
    text.remove_prefix(close + 2);
  }
}

std::string terms(const std::vector<std::pair<std::string, std::string>>& pairs, bool escape) {
  std::string text;
  for (const auto& [term, value] : pairs) {
    text += "<div><dt>" + html(term) + "</dt><dd>" + (escape ? html(value) : value) + "</dd></div>";
  }
  return text;
}

std::string data_of(const Page& page) {
  JsonOut out(JsonOut::Form::line);
  out.begin_object();
  page.add_members(out);
  add_table(out, page.table);
  out.end_object();
  return script_json(std::move(out).take());
}

std::string without_script(const PageTable& table) {
  if (table.rows <= kRowsWithoutScript) return {};
  return "<noscript><p>These are the first " + count_html(kRowsWithoutScript) + " of " +
         count_html(table.rows) + " rows; the rest needs JavaScript, or --json.</p></noscript>";
}

}  // namespace

Result<std::string> page_html(const Page& page) {
  const ToneWords& tone = kTones[static_cast<std::size_t>(page.tone)];
  Values values = {
      {"style", std::string(kPageStyle)},
      {"script", std::string(kPageScript)},
      {"style_hash", policy_hash(kPageStyle)},
      {"script_hash", policy_hash(kPageScript)},
      {"title", html(page.title)},
      {"kind", html(page.kind)},
      {"headline", html(page.headline)},
      {"tone", tone.look},
      {"tone_word", tone.word},
      {"icon", tone.icon},
      {"lead", html(page.lead)},
      {"subjects", terms(page.subjects, true)},
      {"facts", terms(page.facts, false)},
      {"sections", page.sections},
      {"table_title", html(page.table_title)},
      {"table_caption", html(page.table_caption)},
      {"table_head", head_html(page.table)},
      {"table_rows", rows_html(page.table, kRowsWithoutScript)},
      {"without_script", without_script(page.table)},
      {"version", THAW_VERSION},
      {"data", data_of(page)},
  };
  if (values["style_hash"].empty() || values["script_hash"].empty()) {
    return fail(ErrorCode::bug, {}, "libcrypto makes no SHA-256");
  }
  return fill(kPageTemplate, values);
}

std::string section_html(const std::string& title, const std::string& content) {
  return "<section><h2>" + html(title) + "</h2>\n" + content + "</section>\n";
}

std::string list_section(const std::string& title, const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string text = "<ul class=\"lines\">";
  for (std::size_t i = 0; i < std::min(lines.size(), kMostLines); ++i) {
    text += "<li>" + html(lines[i]) + "</li>";
  }
  if (lines.size() > kMostLines) {
    text += "<li>and " + count_html(lines.size() - kMostLines) + " more</li>";
  }
  return section_html(title, text + "</ul>\n");
}

Result<ReportFile> open_page(const std::string& path) {
  if (path.empty()) return ReportFile();
  std::error_code ignored;
  if (path != "-" && std::filesystem::is_regular_file(path, ignored)) {
    std::ifstream file(path, std::ios::binary);
    std::string begin(kBegin.size(), '\0');
    file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
    begin.resize(static_cast<std::size_t>(file.gcount()));
    if (!begin.empty() && begin != kBegin) {
      return fail(ErrorCode::usage, {path, {}}, "stands there and is no page of thaw's",
                  "give --html another name");
    }
  }
  return ReportFile::open(path, {});
}

}  // namespace thaw::app
