#include "quant/targets.h"

#include <algorithm>
#include <array>
#include <utility>

namespace thaw {

namespace {

constexpr std::string_view kPatternPrefix = "re:";
constexpr std::size_t kMostPatterns = 4096;
// What a packed module is an instance of, whatever its model: the class and those that it is made
// from, and the name that servers have for it.
constexpr std::array<std::string_view, 3> kLinearClasses = {"Linear", "LinearBase", "Module"};

}  // namespace

Status NameList::add(std::string_view name, std::size_t value) {
  if (!name.starts_with(kPatternPrefix)) {
    const bool linear =
        std::find(kLinearClasses.begin(), kLinearClasses.end(), name) != kLinearClasses.end();
    if (linear) linear_ = value;
    // Names of modules nearly always have a dot, and those of classes never.
    if (!linear && name.find('.') == std::string_view::npos) unseen_class_ = true;
    names_[std::string(name)] = value;
    return {};
  }
  Result<Pattern> pattern = Pattern::compile(name.substr(kPatternPrefix.size()));
  if (!pattern.ok()) return std::move(pattern).take_status();
  if (rules_.size() == kMostPatterns) {
    return fail(ErrorCode::input, {}, "more than " + std::to_string(kMostPatterns) + " patterns");
  }
  rules_.push_back({std::string(name), std::move(pattern).value(), value});
  return {};
}

void NameList::finish() {
  std::stable_sort(rules_.begin(), rules_.end(),
                   [](const Rule& a, const Rule& b) { return a.text < b.text; });
}

std::optional<std::size_t> NameList::find(std::string_view module) const {
  if (const auto named = names_.find(std::string(module)); named != names_.end()) {
    return named->second;
  }
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    // No single match may take long either, so its bound is looked at before it is made.
    if (work_ + rules_[i].pattern.cost(module.size()) > kMostWork) work_ = kMostWork + 1;
    if (exhausted()) return std::nullopt;
    if (!rules_[i].pattern.matches_prefix(module, work_)) continue;
    while (i + 1 < rules_.size() && rules_[i + 1].text == rules_[i].text) ++i;
    return rules_[i].value;
  }
  return linear_;
}

}  // namespace thaw
