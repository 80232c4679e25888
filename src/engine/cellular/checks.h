// What both of CELLULAR's trainers share: what they ask of options and labels, orders and dropout.
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/descent.h"

namespace canal {

// A loss that is made of the pairs of a mini-batch, or of its mean and variance, is of the whole
// mini-batch: neither shared out among workers nor added up over several of them.
void check_whole_batches(const DescentOptions& options);

void check_dropout(double dropout);

// `codes` must be one per cell and lie in [0, count).
void check_codes(const std::vector<int32_t>& codes, int64_t cells, int64_t count,
                 const std::string& what);

// Mini-batches of the cells `order`, or of all in random order where it is empty. Throws where it
// names a cell that there is not.
std::vector<int64_t> checked_order(const std::vector<int64_t>& order, int64_t cells,
                                   at::Generator& generator);

// Of a mini-batch, cells that are worked on by one thread.
constexpr int64_t cells_in_part = 128;

// What dropout multiplies by: 0, or 1 / (1 - dropout); undefined where nothing is dropped. cells x
// width. Parts of the cells are drawn side by side, from seeds that `generator` draws.
at::Tensor draw_kept(int64_t cells, int64_t width, double dropout, at::Generator& generator);

}  // namespace canal
