// Seeded draws. Every random number of the engine comes from a generator of its own, never from
// LibTorch's process-wide one.
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace canal {

at::Generator make_generator(uint64_t seed);

// Another that goes on as this one would.
at::Generator copy_of(const at::Generator& generator);

// The random features P of FAVOR+ (M x E): blocks of rows of random orthogonal matrices, each row
// scaled by the norm of an independent Gaussian vector of length E (METHODS section 2).
at::Tensor draw_projection(int64_t features, int64_t head_width, at::Generator& generator);

// A linear layer's start: U(-1/sqrt(inputs), 1/sqrt(inputs)), for weights and biases alike.
at::Tensor draw_linear(at::IntArrayRef shape, int64_t inputs, at::Generator& generator);

// 0, 1, ..., count - 1 in random order.
std::vector<int64_t> draw_permutation(int64_t count, at::Generator& generator);

}  // namespace canal
