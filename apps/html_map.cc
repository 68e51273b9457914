#include "html_map.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "compare/layer_name.h"
#include "html_text.h"

namespace thaw::app {

namespace {

// More would neither be read nor opened quickly.
constexpr std::size_t kMostLayers = 256;
constexpr std::size_t kMostModules = 64;

struct Natural {
  bool operator()(const std::string& x, const std::string& y) const { return natural_less(x, y); }
};
using Layer = std::optional<std::uint64_t>;  // nothing: beside the layers, and before them
using Cells = std::map<Layer, std::vector<std::size_t>>;

struct Grid {
  std::map<std::string, Cells, Natural> modules;
  std::set<Layer> layers;
  std::size_t left_out = 0;  // names
};

// "mlp.experts.*.up_proj" of what follows the number of the layer.
std::string module_label(std::string_view rest) {
  if (rest.ends_with(".weight")) rest.remove_suffix(7);
  std::string label;
  for (bool first = true; first || !rest.empty(); first = false) {
    const LayerName name = split_layer(rest);
    if (!first) label += '.';
    if (!name.layer) return label + std::string(rest);
    label += name.stack.empty() ? "*" : std::string(name.stack) + ".*";
    rest = name.rest;
  }
  return label;
}

Grid make_grid(const std::vector<std::string_view>& names) {
  std::set<std::string_view> stacks;
  for (const std::string_view name : names) {
    const LayerName split = split_layer(name);
    if (split.layer) stacks.insert(split.stack);
  }
  Grid grid;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const LayerName split = split_layer(names[i]);
    std::string label = module_label(split.rest);
    if (split.layer && stacks.size() > 1) label = std::string(split.stack) + ".*." + label;
    const bool new_module = !grid.modules.contains(label);
    const bool new_layer = !grid.layers.contains(split.layer);
    if ((new_module && grid.modules.size() == kMostModules) ||
        (new_layer && grid.layers.size() == kMostLayers)) {
      ++grid.left_out;
      continue;
    }
    grid.layers.insert(split.layer);
    grid.modules[label][split.layer].push_back(i);
  }
  return grid;
}

std::string cell_html(const MapCell& cell) {
  return "<td class=\"m " + cell.look + "\" aria-label=\"" + html(cell.words) + "\">" +
         html(cell.mark) + "</td>";
}

}  // namespace

std::string map_html(const LayerMap& map) {
  const Grid grid = make_grid(map.names);
  std::string text = "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"" +
                     html(map.caption) + "\">\n<table class=\"map\"><caption>" + html(map.caption) +
                     "</caption>\n<thead><tr><th scope=\"col\">module</th>";
  for (const Layer& layer : grid.layers) {
    text += layer ? "<th scope=\"col\">" + std::to_string(*layer)
                  : "<th scope=\"col\"><span class=\"vh\">beside the layers</span>"
                    "<span aria-hidden=\"true\">\u2013</span>";
    text += "</th>";
  }
  text += "</tr></thead>\n<tbody>\n";
  for (const auto& [label, cells] : grid.modules) {
    text += "<tr><th scope=\"row\">" + html_name(label) + "</th>";
    for (const Layer& layer : grid.layers) {
      const auto found = cells.find(layer);
      text += found == cells.end() ? "<td></td>" : cell_html(map.cell(found->second));
    }
    text += "</tr>\n";
  }
  text += "</tbody></table>\n</div>\n<ul class=\"legend\" aria-label=\"Legend\">";
  for (const MapCell& entry : map.legend) {
    text += "<li><span class=\"m " + entry.look + "\">" + html(entry.mark) + "</span> " +
            html(entry.words) + "</li>";
  }
  text += "</ul>\n";
  if (grid.left_out != 0) {
    text += "<p>The map has room for " + std::to_string(kMostModules) + " modules and " +
            std::to_string(kMostLayers) + " layers; " + count_html(grid.left_out) +
            (grid.left_out == 1 ? " tensor is" : " tensors are") + " only in the table.</p>\n";
  }
  return text;
}

}  // namespace thaw::app
