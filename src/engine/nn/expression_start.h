// How a network that was never trained starts: reading expression.
//
// Nearly all tokens of a cell are 0, and the head makes relu(one number per token) of them. Where
// that one number is drawn without regard to expression, some draws leave it negative or the same
// for all tokens, and a network that is to learn from few cells stays there. So the tokens start in
// the order of their expression, and the head's filter along it.
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace canal {

// The token table (T x D; entries of standard deviation `sd`). The tokens 0, 1, ..., T - 2 lie at
// equal steps on a quarter circle between two random directions at right angles: all equally long
// and without a mean, so that a layer norm keeps their order. The mask token, the last one, is
// drawn by itself. A table of fewer than 3 columns has no room for two such directions and is drawn
// at random.
at::Tensor draw_expression_tokens(int64_t tokens, int64_t dim, double sd, at::Generator& generator);

// The filter (D) that reads that order from layer-normed tokens: 0 at token 0, rising to 1 at token
// T - 2. Any table will do: it is the part of the highest token that token 0 lacks. Undefined where
// the table has no such part.
at::Tensor expression_filter(const at::Tensor& token_table);

// He's start of a layer before a relu: normal, variance 2 / inputs.
at::Tensor draw_before_relu(at::IntArrayRef shape, int64_t inputs, at::Generator& generator);

}  // namespace canal
