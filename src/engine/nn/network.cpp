#include "engine/network.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include "engine/errors.h"
#include "engine/kernels/choose.h"
#include "engine/nn/batch.h"
#include "engine/nn/encoder.h"
#include "engine/nn/heads.h"
#include "engine/nn/layer_stack.h"
#include "engine/nn/parameters.h"
#include "engine/runtime/for_each_cell.h"
#include "engine/runtime/thread_scope.h"

namespace canal {

struct Network::Impl {
  NetworkSizes sizes;
  Parameters parameters;
  std::unique_ptr<LayerStack> kernels;  // null: LibTorch's operators
};

namespace {

void require_heads(const NetworkSizes& sizes, const std::vector<Output>& outputs) {
  for (Output output : outputs) {
    if (output == Output::mlm && !sizes.mlm_head)
      throw Error(ErrorKind::input,
                  "The network has no pre-training head: \"mlm\" is not to be had.");
    const bool head =
        output == Output::logits || output == Output::embedding || output == Output::manifold;
    if (head && sizes.types == 0)
      throw Error(ErrorKind::input,
                  "The network has no classification head yet: train a stage first.");
  }
}

at::Tensor choose(Output output, const at::Tensor& encodings, const Classified& classified,
                  const Parameters& parameters) {
  switch (output) {
    case Output::encodings: return encodings;
    case Output::mlm: return masked_token_logits(parameters, encodings);
    case Output::manifold: return classified.manifold;
    case Output::embedding: return classified.embedding;
    case Output::logits: return classified.logits;
  }
  throw Error(ErrorKind::internal, "unknown output");
}

using Pieces = std::vector<std::vector<at::Tensor>>;  // per output, per cell

// All layers. x: 1 x N x D.
at::Tensor encode(const Network::Impl& network, const at::Tensor& x, const Control& control) {
  if (network.kernels) return network.kernels->forward(x, control);
  return run_layers(network.parameters, x, 0, network.sizes.depth,
                    {Stabiliser::cell, &control});
}

// tokens: 1 x N. LibTorch's part is one thread's, the kernels' may be shared out.
void forward_cell(const Network::Impl& network, const at::Tensor& tokens,
                  const std::vector<Output>& outputs, const Control& control, int64_t cell,
                  Pieces& pieces) {
  const Parameters& p = network.parameters;
  at::Tensor x;
  on_one_thread([&] {
    x = embed_tokens(p, tokens);
    if (!network.kernels) x = encode(network, x, control);
  });
  if (network.kernels) x = encode(network, x, control);
  on_one_thread([&] {
    const at::Tensor encodings = final_norm(p, x);
    Classified classified;
    if (network.sizes.types > 0) classified = classify(p.head, encodings);
    for (size_t i = 0; i < outputs.size(); ++i)
      pieces[i][cell] = choose(outputs[i], encodings, classified, p);
  });
}

// The shape of an output of no cells at all.
Shape empty_shape(Output output, const NetworkSizes& s) {
  switch (output) {
    case Output::encodings: return {0, s.positions, s.dim};
    case Output::mlm: return {0, s.positions, s.tokens};
    case Output::manifold: return {0, s.fc1};
    case Output::embedding: return {0, s.fc2};
    default: return {0, s.types};
  }
}

}  // namespace

Network::Network(const Weights& weights, const Compute& compute) : impl_(new Impl) {
  const NetworkSizes sizes = sizes_of(weights);
  impl_->sizes = sizes;
  impl_->parameters = to_parameters(weights, sizes, compute.device);
  if (const Tier* tier = choose_tier(compute))
    impl_->kernels.reset(
        new LayerStack(impl_->parameters, sizes, 0, sizes.depth, *tier, Keep::nothing));
}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

const NetworkSizes& Network::sizes() const { return impl_->sizes; }

std::vector<FloatArray> Network::forward(const TokenView& tokens, const ForwardOptions& options,
                                         Control& control) const {
  require_heads(impl_->sizes, options.outputs);
  const ThreadScope threads(options.num_threads);
  control.total = tokens.cells;
  Pieces pieces(options.outputs.size(), std::vector<at::Tensor>(tokens.cells));
  auto forward_one = [&](int64_t cell) {
    const at::Tensor one = token_batch(tokens, {cell}, impl_->sizes.positions, impl_->sizes.tokens)
                               .to(impl_->parameters.token_emb.device());
    forward_cell(*impl_, one, options.outputs, control, cell, pieces);
    ++control.done;
  };
  // Fewer cells than threads: the kernels share out a cell's tokens instead.
  if (impl_->kernels && tokens.cells < at::get_num_threads())
    for (int64_t cell = 0; cell < tokens.cells; ++cell) forward_one(cell);
  else
    for_each_cell(tokens.cells, Gradients::off, forward_one);
  std::vector<FloatArray> result;
  for (size_t i = 0; i < pieces.size(); ++i)
    result.push_back(pieces[i].empty()
                         ? FloatArray{empty_shape(options.outputs[i], impl_->sizes), {}}
                         : to_array(at::cat(pieces[i])));
  return result;
}

FloatArray Network::classify_manifold(const FloatArray& manifold) const {
  require_heads(impl_->sizes, {Output::logits});
  const c10::NoGradGuard no_grad;
  return to_array(
      classify_from_manifold(impl_->parameters.head,
                             to_tensor(manifold).to(impl_->parameters.token_emb.device()))
          .logits);
}

}  // namespace canal
