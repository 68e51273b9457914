// Names of modules and tensors as parts between dots, and '#', the part that stands for any
// number. specs/models.md clause 2.3. Internal to lib/model.
#pragma once

#include <string_view>

namespace thaw {

// Parts between single dots, none of them empty: "mlp.act.scales".
[[nodiscard]] bool is_dotted_name(std::string_view name);
// Whether '#' stands in it only as a whole part: "experts.#.up", not "experts#".
[[nodiscard]] bool is_module_pattern(std::string_view name);
// Digits, at least one.
[[nodiscard]] bool is_number(std::string_view part);
// "a.b" of "a.b.c"; empty where there is no dot.
[[nodiscard]] std::string_view without_last_part(std::string_view name);
// Whether `name` is `prefix`, or begins with it and a dot.
[[nodiscard]] bool has_prefix(std::string_view name, std::string_view prefix);
// Whether the parts of `name` are those of `pattern`, a number or '#' where it has '#'.
[[nodiscard]] bool matches(std::string_view pattern, std::string_view name);
// Whether some name matches both.
[[nodiscard]] bool overlap(std::string_view pattern, std::string_view other);

}  // namespace thaw
