// A heat map of layers by modules: a table with a mark in every cell, so that nothing is told by
// colour alone. specs/reports.md clause 5.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace thaw::app {

struct MapCell {
  std::string look;   // class of page.css
  std::string mark;   // a character or two
  std::string words;  // what it means, printable
};

struct LayerMap {
  std::string caption;  // printable
  std::vector<MapCell> legend;
  // Raw, those first that must not be left out where there are too many for a map.
  std::vector<std::string_view> names;
  // Of the names (by index) of one module in one layer; never none.
  std::function<MapCell(std::span<const std::size_t>)> cell;
};

[[nodiscard]] std::string map_html(const LayerMap& map);

}  // namespace thaw::app
