// What every layout's tests do with a packed case: all tables that this CPU runs, all formats.
#pragma once

#include <vector>

#include "kernels/packed_case.h"

namespace thaw::test {

// Every output, with normal stores; via float16 too.
[[nodiscard]] const std::vector<kernels::OutputFormat>& output_formats();

// One case through all tables, formats and stores: the whole weight, rows from its middle, and a
// view of a part where the layout has such.
void check_case(const PackedCase& packed);

// Each shape with each scale type, with usual and with random scales; `seed` numbers the cases.
// Where time is dear, one of these combinations a shape.
void check_shapes(const std::vector<Shape>& shapes, const std::vector<kernels::FloatType>& types,
                  std::uint32_t seed);

}  // namespace thaw::test
