// Every tier of kernels against LibTorch's operators, forward and backward, on sizes that fill
// their blocks and tiles badly.
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>

#include "amx_emulated.h"
#include "engine/kernels/kernel.h"
#include "engine/nn/encoder.h"
#include "engine/nn/layer_stack.h"
#include "engine/nn/operators.h"
#include "engine/nn/random.h"

namespace {

using canal::LayerParameters;
using canal::NetworkSizes;

struct Case {
  const char* name;
  int64_t tokens, dim, heads, head_width, features, ff_width;
};

// gtest prints a parameter by this.
void PrintTo(const Case& c, std::ostream* to) { *to << c.name; }

const Case cases[] = {
    {"published_widths", 203, 200, 10, 64, 266, 800},
    {"one_token", 1, 200, 2, 64, 266, 64},
    {"one_head", 97, 32, 1, 16, 32, 128},
    {"all_odd", 131, 27, 3, 7, 29, 51},
    {"smallest", 5, 1, 1, 1, 1, 1},
    {"several_spans", 2500, 16, 2, 8, 19, 24},
    {"block_exactly", 192, 48, 2, 32, 48, 96},
};

NetworkSizes sizes_of(const Case& c, int64_t depth) {
  NetworkSizes s{};
  s.positions = c.tokens;
  s.dim = c.dim;
  s.depth = depth;
  s.heads = c.heads;
  s.head_width = c.head_width;
  s.features = c.features;
  s.ff_width = c.ff_width;
  return s;
}

// Parameters of ordinary size; sharpness scales queries and keys.
canal::Parameters random_parameters(const Case& c, int64_t depth, double sharpness = 1) {
  at::Generator generator = canal::make_generator(17);
  auto draw = [&](at::IntArrayRef shape, double sd, double mean = 0) {
    return (at::randn(shape, generator) * sd + mean).contiguous();
  };
  const int64_t inner = c.heads * c.head_width;
  const double in = 1 / std::sqrt(static_cast<double>(c.dim));
  canal::Parameters p;
  for (int64_t l = 0; l < depth; ++l) {
    LayerParameters w;
    w.norm1_weight = draw({c.dim}, 0.2, 1);
    w.norm1_bias = draw({c.dim}, 0.2);
    w.projection = draw({c.features, c.head_width}, 1);
    w.to_q = draw({inner, c.dim}, in * sharpness);
    w.to_k = draw({inner, c.dim}, in * sharpness);
    w.to_v = draw({inner, c.dim}, in);
    w.to_out = draw({c.dim, inner}, 1 / std::sqrt(static_cast<double>(inner)));
    w.to_out_bias = draw({c.dim}, 0.1);
    w.norm2_weight = draw({c.dim}, 0.2, 1);
    w.norm2_bias = draw({c.dim}, 0.2);
    w.w1 = draw({c.ff_width, c.dim}, in);
    w.b1 = draw({c.ff_width}, 0.1);
    w.w2 = draw({c.dim, c.ff_width}, 1 / std::sqrt(static_cast<double>(c.ff_width)));
    w.b2 = draw({c.dim}, 0.1);
    p.layers.push_back(w);
  }
  return p;
}

at::Tensor random_cell(const Case& c) {
  at::Generator generator = canal::make_generator(5);
  return at::randn({1, c.tokens, c.dim}, generator);
}

// The later a token, the larger: layer norm takes the size away, so channel 0 gets it.
at::Tensor growing(const at::Tensor& x) {
  at::Tensor grown = x.clone();
  grown.select(2, 0).add_(at::arange(x.size(1)) * 0.1);
  return grown;
}

// |a - b| / |b|, Euclidean; b of size 0 counts as `least`.
double relative(const at::Tensor& a, const at::Tensor& b, double least = 1e-6) {
  return (a - b).norm().item<double>() / std::max(b.norm().item<double>(), least);
}

std::vector<canal::Tier> tiers_here() {
  std::vector<canal::Tier> here;
  for (const auto& some : {canal::tiers(), canal_test::emulated_tiers()})
    for (const canal::Tier& tier : some)
      if (tier.runs_here()) here.push_back(tier);
  return here;
}

at::Tensor through(const canal::LayerStack& stack, const at::Tensor& x) {
  const canal::Control control;
  const at::Tensor y = x.clone();
  stack.forward(y, control);
  return y;
}

class Kernels : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Kernels, ::testing::ValuesIn(cases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(Kernels, forward_as_libtorch) {
  const c10::NoGradGuard no_grad;
  const canal::Control control;
  const int64_t depth = 3;
  const canal::Parameters p = random_parameters(GetParam(), depth);
  const at::Tensor x = random_cell(GetParam());
  const at::Tensor expected =
      canal::run_layers(p, x, 0, depth, {canal::Stabiliser::cell, &control});
  for (const canal::Tier& tier : tiers_here()) {
    const canal::LayerStack stack(p, sizes_of(GetParam(), depth), 0, depth, tier,
                                  canal::Keep::nothing);
    EXPECT_LT(relative(through(stack, x), expected), tier.reduced ? 1e-2 : 5e-6) << tier.name;
  }
}

TEST_P(Kernels, operators_of_bfloat16_products_as_those_of_float32) {
  const canal::Control control;
  canal::Parameters p = random_parameters(GetParam(), 1);
  const at::Tensor x = random_cell(GetParam());
  at::Generator generator = canal::make_generator(8);
  const at::Tensor dy = at::randn(x.sizes(), generator);
  auto gradients = [&](bool reduced) {
    const at::Tensor input = x.clone().requires_grad_(true);
    const at::Tensor weight = p.layers[0].to_k.detach().requires_grad_(true);
    LayerParameters layer = p.layers[0];
    layer.to_k = weight;
    const at::Tensor y =
        canal::run_layer(layer, input, {canal::Stabiliser::cell, &control, reduced});
    std::vector<at::Tensor> all = torch::autograd::grad({y}, {input, weight}, {dy});
    all.push_back(y.detach());
    return all;
  };
  const auto exact = gradients(false), rounded = gradients(true);
  const double least = 0.1 * dy.norm().item<double>();
  for (size_t i = 0; i < exact.size(); ++i)
    EXPECT_LT(relative(rounded[i], exact[i], least), 5e-2) << i;
}

// Exponents far apart: the reference of the keys' sums has to move, and tokens to vanish.
TEST_P(Kernels, sharp_attention_as_libtorch) {
  const c10::NoGradGuard no_grad;
  const canal::Control control;
  const canal::Parameters p = random_parameters(GetParam(), 1, 12);
  const at::Tensor x = growing(random_cell(GetParam()));
  const at::Tensor expected = canal::run_layers(p, x, 0, 1, {canal::Stabiliser::cell, &control});
  for (const canal::Tier& tier : tiers_here()) {
    if (tier.reduced) continue;  // rounded exponents of this size are not comparable
    const canal::LayerStack stack(p, sizes_of(GetParam(), 1), 0, 1, tier, canal::Keep::nothing);
    EXPECT_LT(relative(through(stack, x), expected), 1e-4) << tier.name;
  }
}

canal::LayerGradients places(LayerParameters& g) {
  auto data = [](at::Tensor& tensor) { return tensor.data_ptr<float>(); };
  return {data(g.norm1_weight), data(g.norm1_bias), nullptr,        data(g.to_q),
          data(g.to_k),         data(g.to_v),       data(g.to_out), data(g.to_out_bias),
          data(g.norm2_weight), data(g.norm2_bias), data(g.w1),     data(g.b1),
          data(g.w2),           data(g.b2)};
}

std::vector<std::pair<const char*, at::Tensor*>> learned(LayerParameters& w) {
  return {{"norm1_weight", &w.norm1_weight},
          {"norm1_bias", &w.norm1_bias},
          {"to_q", &w.to_q},
          {"to_k", &w.to_k},
          {"to_v", &w.to_v},
          {"to_out", &w.to_out},
          {"to_out_bias", &w.to_out_bias},
          {"norm2_weight", &w.norm2_weight},
          {"norm2_bias", &w.norm2_bias},
          {"w1", &w.w1},
          {"b1", &w.b1},
          {"w2", &w.w2},
          {"b2", &w.b2}};
}

// LibTorch 2.6 makes NaN of gelu(infinity), 1.13 infinity, as the kernels do.
bool gelu_keeps_infinity() {
  return !at::gelu(at::full({8}, std::numeric_limits<double>::infinity(), at::kFloat))
              .isnan()
              .any()
              .item<bool>();
}

// One value that is no number in a parameter: what comes out is no number in the same places as by
// LibTorch's operators, and the next cell on the same pass is well.
TEST_P(Kernels, what_is_no_number_stays_none) {
  const c10::NoGradGuard no_grad;
  const canal::Control control;
  const at::Tensor x = random_cell(GetParam());
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double value : {std::nan(""), infinity, -infinity}) {
    // With one channel or one feature infinities meet in another order.
    if (GetParam().features == 1 && !std::isnan(value)) continue;
    LayerParameters shapes = random_parameters(GetParam(), 1).layers[0];
    for (size_t i = 0; i < learned(shapes).size(); ++i) {
      canal::Parameters p = random_parameters(GetParam(), 1);
      auto [name, tensor] = learned(p.layers[0])[i];
      const bool before_gelu = tensor == &p.layers[0].w1 || tensor == &p.layers[0].b1;
      if (before_gelu && !std::isnan(value) && !gelu_keeps_infinity()) continue;
      tensor->view({-1})[0] = value;
      const at::Tensor expected =
          canal::run_layers(p, x, 0, 1, {canal::Stabiliser::cell, &control}).isnan();
      for (const canal::Tier& tier : tiers_here()) {
        if (tier.reduced) continue;  // they overflow elsewhere
        const canal::LayerStack stack(p, sizes_of(GetParam(), 1), 0, 1, tier, canal::Keep::nothing);
        EXPECT_TRUE(through(stack, x).isnan().equal(expected))
            << tier.name << " " << name << " " << value;
      }
    }
  }
}

TEST_P(Kernels, gradients_as_libtorch) {
  const canal::Control control;
  const canal::SpanLoop loop = canal::side_by_side();
  canal::Parameters p = random_parameters(GetParam(), 1);
  LayerParameters& w = p.layers[0];
  at::Tensor x = random_cell(GetParam());
  at::Generator generator = canal::make_generator(8);
  const at::Tensor dy = at::randn(x.sizes(), generator);

  std::vector<at::Tensor> inputs{x.clone().requires_grad_(true)};
  for (auto& [name, tensor] : learned(w)) inputs.push_back(tensor->requires_grad_(true));
  const at::Tensor y = canal::run_layer(w, inputs[0], {canal::Stabiliser::cell, &control});
  const auto expected = torch::autograd::grad({y}, inputs, {dy});
  for (auto& [name, tensor] : learned(w)) *tensor = tensor->detach();
  // Some gradients are zero but for rounding: of one token's attention, of a norm of one channel.
  const double least = 0.1 * dy.norm().item<double>();

  for (const canal::Tier& tier : tiers_here()) {
    const double bound = tier.reduced ? 5e-2 : 1e-4;
    const canal::LayerStack stack(p, sizes_of(GetParam(), 1), 0, 1, tier,
                                  canal::Keep::for_backward);
    const canal::LayerStack::Lease pass(stack);
    pass->load(x.data_ptr<float>(), 0, x.size(1));
    pass->finish(0, pass->keys(0, loop, control), loop, control);
    LayerParameters g;
    for (size_t i = 0; i < learned(w).size(); ++i)
      *learned(g)[i].second = at::zeros_like(*learned(w)[i].second);
    pass->load_gradient(dy.data_ptr<float>());
    const canal::LayerGradients to = places(g);
    pass->backward_keys(pass->backward_queries(0, true, control), &to, control);
    at::Tensor dx = at::zeros_like(x);
    pass->store_gradient(dx.data_ptr<float>());
    EXPECT_LT(relative(dx, expected[0]), bound) << tier.name << " dx";
    for (size_t i = 0; i < learned(g).size(); ++i)
      EXPECT_LT(relative(*learned(g)[i].second, expected[i + 1], least), bound)
          << tier.name << " " << learned(g)[i].first;
  }
}

}  // namespace
