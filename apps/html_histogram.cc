#include "html_histogram.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "html_text.h"

namespace thaw::app {

namespace {

// Of the picture, in units of its viewBox.
constexpr std::size_t kWidth = 320;
constexpr std::size_t kHeight = 96;   // of the highest bar
constexpr std::size_t kBottom = 116;  // with the scale below

std::string power_text(std::size_t bin) {
  return "2^" + std::to_string(kHistogramFirst + static_cast<int>(bin));
}

std::string power_html(std::size_t bin) {
  return "2<sup>" + std::to_string(kHistogramFirst + static_cast<int>(bin)) + "</sup>";
}

std::string tag(const char* name, std::size_t x, std::size_t y, std::size_t width,
                std::size_t height) {
  std::string text = "<";
  text += name;
  text += " x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" width=\"" +
          std::to_string(width) + "\" height=\"" + std::to_string(height) + "\"/>";
  return text;
}

std::string label_html(std::size_t x, const char* anchor, std::size_t bin) {
  return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(kBottom - 4) +
         "\" text-anchor=\"" + anchor + "\">2<tspan dy=\"-4\" class=\"up\">" +
         std::to_string(kHistogramFirst + static_cast<int>(bin)) + "</tspan></text>";
}

}  // namespace

std::string histogram_html(const TensorComparison& tensor) {
  const auto& bins = tensor.histogram;
  std::size_t first = kHistogramBins;
  std::size_t last = 0;
  std::size_t highest = 0;
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < kHistogramBins; ++i) {
    if (bins[i] == 0) continue;
    first = std::min(first, i);
    last = i;
    all += bins[i];
    if (bins[i] > bins[highest]) highest = i;
  }
  std::string text = "<figure><figcaption><span class=\"name\">" + html_name(tensor.name) +
                     "</span><span class=\"aside\">relative " +
                     figure_html(tensor.figures.relative) + ", largest " +
                     figure_html(tensor.figures.max_abs) + "</span></figcaption>\n";
  if (all == 0) return text + "<p>No two finite numbers differ.</p></figure>\n";

  const std::size_t count = last - first + 1;
  // At least so many places, so that a lonely bar does not become a wall.
  const std::size_t places = std::max<std::size_t>(count, 8);
  const std::size_t step = kWidth / places;
  const std::size_t left = (kWidth - count * step) / 2;
  const auto sentence = [&](std::string (*power)(std::size_t)) {
    return count_html(all) + " of " + count_html(tensor.figures.elements) +
           " numbers differ; the differences lie between " + power(first) + " and " +
           power(last + 1) + ", most of them, " + count_html(bins[highest]) + ", between " +
           power(highest) + " and " + power(highest + 1) + ".";
  };
  text += "<svg viewBox=\"0 0 " + std::to_string(kWidth) + " " + std::to_string(kBottom) +
          "\" role=\"img\" aria-label=\"Histogram: " + sentence(power_text) + "\">";
  for (std::size_t i = first; i <= last; ++i) {
    if (bins[i] == 0) continue;
    const double share = static_cast<double>(bins[i]) / static_cast<double>(bins[highest]);
    const auto height = std::max<std::size_t>(
        1, static_cast<std::size_t>(std::lround(share * static_cast<double>(kHeight))));
    text += tag("rect", left + (i - first) * step, kHeight - height,
                std::max<std::size_t>(1, step - 1), height);
  }
  text += "<path d=\"M0 " + std::to_string(kHeight) + "h" + std::to_string(kWidth) + "\"/>" +
          label_html(left, "start", first);
  if (count > 1) text += label_html(left + count * step, "end", last + 1);
  text += "</svg>\n<p aria-hidden=\"true\">" + sentence(power_html) +
          "</p>\n<details><summary>The counts</summary><table>" +
          "<caption class=\"vh\">Differences by size</caption><thead><tr><th scope=\"col\">from" +
          "</th><th scope=\"col\" class=\"n\">numbers</th></tr></thead><tbody>";
  for (std::size_t i = first; i <= last; ++i) {
    if (bins[i] == 0) continue;
    text += "<tr><th scope=\"row\">" + power_html(i) + "</th><td class=\"n\">" +
            count_html(bins[i]) + "</td></tr>";
  }
  return text + "</tbody></table></details></figure>\n";
}

}  // namespace thaw::app
