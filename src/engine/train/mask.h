// Which tokens of a cell are hidden and predicted in pre-training.
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace canal {

struct MaskOptions {
  double masked_share;    // of the tokens that are not 0, rounded up
  double replaced_share;  // probability that a chosen one becomes the mask token
  double zeros;           // tokens 0 that are chosen for each chosen other one, rounded down
  int64_t mask_token;
};

struct MaskedCell {
  at::Tensor tokens;            // 1 x N, int64, with mask tokens in it
  std::vector<int64_t> places;  // chosen ones, ascending
  std::vector<int64_t> truth;   // their tokens
};

// tokens: 1 x N, int64; the last, closing one is never chosen.
MaskedCell mask_cell(const at::Tensor& tokens, const MaskOptions& options,
                     at::Generator& generator);

}  // namespace canal
