// Which modules of a model spec each layer of base and quantized checkpoint has. Private to
// lib/plan.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/spec.h"

namespace thaw {

class RequiredModules {
 public:
  enum class Side : std::uint8_t { base, quantized };

  // `spec` must outlive it.
  RequiredModules(const ModelSpec& spec, std::uint64_t layers);

  // That a tensor of `module` was seen; empty: of no module of the spec.
  void note(Side side, std::uint64_t layer, std::string_view module);

  // Adds an error for each module that a block of the base must have and does not. What only the
  // quantized checkpoint lacks is not named here: each tensor of it is an error already.
  void check(const std::string& base, const std::string& quantized, ErrorList& errors) const;

 private:
  const ModelSpec& spec_;
  std::map<std::string_view, std::size_t> index_;       // of the modules that a block must have
  std::array<std::vector<std::vector<bool>>, 2> seen_;  // side, layer, module
};

}  // namespace thaw
