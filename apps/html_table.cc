#include "html_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "html_text.h"

namespace thaw::app {

namespace {

constexpr std::array<const char*, 7> kKinds = {"name",   "text",    "count", "figure",
                                               "cosine", "decibel", "bytes"};

bool is_number(Kind kind) { return kind != Kind::name && kind != Kind::text; }

std::string cell_html(const Cell& cell, Kind kind) {
  if (const auto* text = std::get_if<std::string>(&cell)) return html(*text);
  if (const auto* count = std::get_if<std::uint64_t>(&cell)) {
    return kind == Kind::bytes ? size_html(*count) : count_html(*count);
  }
  if (const auto* value = std::get_if<double>(&cell)) {
    if (kind == Kind::cosine) return fixed_html(*value, 6);
    if (kind == Kind::decibel) return fixed_html(*value, 1);
    return figure_html(*value);
  }
  return "\u2013";
}

void add_cell(JsonOut& out, const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) {
    out.item(*text);
  } else if (const auto* count = std::get_if<std::uint64_t>(&cell)) {
    // A script's numbers end there.
    if (*count <= std::uint64_t{1} << 53) {
      out.item(*count);
    } else {
      out.item(std::to_string(*count));
    }
  } else if (const auto* value = std::get_if<double>(&cell)) {
    if (std::isfinite(*value)) {
      out.figure(*value);
    } else {
      out.item(std::string_view(std::isnan(*value) ? "nan" : *value > 0 ? "inf" : "-inf"));
    }
  } else {
    out.figure(std::numeric_limits<double>::quiet_NaN());  // null
  }
}

}  // namespace

std::string head_html(const PageTable& table) {
  std::string text = "<tr>";
  for (const Column& column : table.columns) {
    text += is_number(column.kind) ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">";
    text += html(column.label);
    text += "</th>";
  }
  return text + "</tr>";
}

std::string rows_html(const PageTable& table, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < std::min(most, table.rows); ++i) {
    const std::vector<Cell> cells = table.row(i);
    text += "<tr>";
    for (std::size_t k = 0; k < cells.size(); ++k) {
      const Kind kind = table.columns[k].kind;
      const bool name = kind == Kind::name;
      text += name ? "<th scope=\"row\">" : is_number(kind) ? "<td class=\"n\">" : "<td>";
      text += cell_html(cells[k], kind);
      text += name ? "</th>" : "</td>";
    }
    text += "</tr>\n";
  }
  return text;
}

void add_table(JsonOut& out, const PageTable& table) {
  out.begin_array("columns");
  for (const Column& column : table.columns) {
    out.begin_object();
    out.member("label", column.label);
    out.member("kind", kKinds[static_cast<std::size_t>(column.kind)]);
    out.end_object();
  }
  out.end_array();
  out.begin_array("rows");
  for (std::size_t i = 0; i < table.rows; ++i) {
    out.begin_array();
    for (const Cell& cell : table.row(i)) add_cell(out, cell);
    out.end_array();
  }
  out.end_array();
}

}  // namespace thaw::app
