// The kernels of a layout by its name, for tests whose cases name them.
#pragma once

#include <doctest/doctest.h>

#include <string_view>

#include "kernels/kernels.h"

namespace thaw::test {

inline kernels::LayoutId layout_named(std::string_view name) {
  for (const kernels::Layout& layout : kernels::available_tables().tables[0]->layouts) {
    if (kernels::name_of(layout.id) == name) return layout.id;
  }
  FAIL("no such layout");
  return {};
}

}  // namespace thaw::test
