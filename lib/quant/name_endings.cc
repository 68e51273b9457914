#include "quant/name_endings.h"

#include <algorithm>
#include <array>

namespace thaw {

namespace {

constexpr bool kNeverPlain = false;

// Those that end in others stand before them.
constexpr std::array kEndings = {
    NameEnding{"_packed", "packed codes", kNeverPlain},
    NameEnding{"qweight", "packed codes of GPTQ or AWQ", kNeverPlain},
    NameEnding{"_qdata", "codes of torchao", kNeverPlain},
    NameEnding{"._data", "codes of quanto", kNeverPlain},
    NameEnding{"_blocks", "codes of MXFP4 as of gpt-oss"},
    NameEnding{".W_q", "codes of HQQ", kNeverPlain},
    NameEnding{".q_weight", "codes of EXL2", kNeverPlain},
    NameEnding{".trellis", "codes of EXL3", kNeverPlain},
    NameEnding{".Qidxs", "codes of QuIP#", kNeverPlain},
    NameEnding{"_scale_and_zero", "scales and zero points of torchao", kNeverPlain},
    NameEnding{"_scale_inv", "scales of fp8 by block", kNeverPlain},
    NameEnding{"_scale_2", "second scales, as of NVFP4 by ModelOpt"},
    NameEnding{"_global_scale", "global scales, as of NVFP4"},
    NameEnding{"_scale", "scales"},
    NameEnding{"_scales", "scales"},
    NameEnding{".scales", "scales"},
    NameEnding{"absmax", "scales of bitsandbytes", kNeverPlain},
    NameEnding{"quant_map", "code table of bitsandbytes", kNeverPlain},
    NameEnding{".quant_state.bitsandbytes__nf4", "state of bitsandbytes", kNeverPlain},
    NameEnding{".quant_state.bitsandbytes__fp4", "state of bitsandbytes", kNeverPlain},
    NameEnding{".SCB", "scales of bitsandbytes", kNeverPlain},
    NameEnding{"_zero_point", "zero points", kNeverPlain},
    NameEnding{"_zero_points", "zero points", kNeverPlain},
    NameEnding{"qzeros", "zero points of GPTQ or AWQ", kNeverPlain},
    NameEnding{"_zeros", "zero points", kNeverPlain},
    NameEnding{"g_idx", "group index", kNeverPlain},
    NameEnding{"_invperm", "permutation"},
    NameEnding{".invperm", "permutation"},
    NameEnding{"_perm", "permutation"},
    NameEnding{".perm", "permutation"},
    NameEnding{"weight_shape", "shape of a packed weight", kNeverPlain},
    NameEnding{"proj_shape", "shape of packed parameters", kNeverPlain},
};

}  // namespace

const NameEnding* find_name_ending(std::string_view name) {
  const auto* const found =
      std::find_if(kEndings.begin(), kEndings.end(),
                   [&](const NameEnding& one) { return name.ends_with(one.ending); });
  return found == kEndings.end() ? nullptr : found;
}

}  // namespace thaw
