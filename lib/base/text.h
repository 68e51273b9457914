// Text for people: names made safe for a terminal, byte counts, natural order.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace thaw {

// `raw` with control characters, DEL, backslashes and bytes that are not UTF-8 written as escapes
// (\n, \x1b, ...), and shortened in the middle beyond 200 bytes. Bidirectional and C1 controls
// count as control characters.
[[nodiscard]] std::string printable(std::string_view raw);
// The same in double quotes. Not "quoted": of a std::string that would find the standard's.
[[nodiscard]] std::string in_quotes(std::string_view raw);

// Less-than where runs of digits compare as numbers: layer.2 before layer.10. A total order:
// names that differ only in leading zeros are ordered by their bytes.
[[nodiscard]] bool natural_less(std::string_view a, std::string_view b);

// Whether `bytes` are UTF-8 throughout: no surrogates, nothing overlong, nothing cut off.
[[nodiscard]] bool is_utf8(std::string_view bytes);

// "[8192, 3584]".
[[nodiscard]] std::string shape_text(std::span<const std::uint64_t> shape);

// "141.1 GB", decimal units.
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

// "512MB", "5GB", "2GiB", "4096": a whole or decimal number and a unit (decimal kB, MB, GB, TB or
// binary KiB, MiB, GiB, TiB, case-insensitive, B optional). Nothing if malformed or too large.
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(std::string_view text);

}  // namespace thaw
