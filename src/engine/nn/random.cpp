#include "engine/nn/random.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randperm.h>

#include <algorithm>
#include <cmath>

#include "engine/nn/operators.h"

namespace canal {

at::Generator make_generator(uint64_t seed) {
  return at::make_generator<at::CPUGeneratorImpl>(seed);
}

// Not by at::Generator::clone(): LibTorch 1.13 never frees what that returns.
at::Generator copy_of(const at::Generator& generator) {
  at::Generator copy = make_generator(0);
  copy.set_state(generator.get_state());
  return copy;
}

at::Tensor draw_projection(int64_t features, int64_t head_width, at::Generator& generator) {
  std::vector<at::Tensor> blocks;
  for (int64_t left = features; left > 0; left -= head_width) {
    const at::Tensor gaussian = at::randn({head_width, head_width}, generator);  // E x E
    const at::Tensor rows = std::get<0>(at::linalg_qr(gaussian)).t();            // E x E
    blocks.push_back(rows.narrow(0, 0, std::min(left, head_width)));
  }
  const at::Tensor norms =
      at::randn({features, head_width}, generator).norm(2, {1}, /*keepdim=*/true);  // M x 1
  return (at::cat(blocks) * norms).contiguous();
}

at::Tensor draw_linear(at::IntArrayRef shape, int64_t inputs, at::Generator& generator) {
  const double bound = 1 / std::sqrt(static_cast<double>(inputs));
  return at::empty(shape, at::kFloat).uniform_(-bound, bound, generator);
}

std::vector<int64_t> draw_permutation(int64_t count, at::Generator& generator) {
  const at::Tensor order = at::randperm(count, generator, at::kLong);
  const int64_t* first = order.data_ptr<int64_t>();
  return std::vector<int64_t>(first, first + count);
}

}  // namespace canal
