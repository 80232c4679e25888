#include "engine/network.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <memory>

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
  bool reduced = false;                 // products of bfloat16 numbers
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

bool wants_encodings(const std::vector<Output>& outputs) {
  return std::any_of(outputs.begin(), outputs.end(), [](Output output) {
    return output == Output::encodings || output == Output::mlm;
  });
}

// Puts the outputs of a cell in their places.
void keep(const std::vector<Output>& outputs, const at::Tensor& encodings,
          const Classified& classified, const Parameters& parameters, int64_t cell,
          Pieces& pieces) {
  for (size_t i = 0; i < outputs.size(); ++i)
    pieces[i][cell] = choose(outputs[i], encodings, classified, parameters);
}

// By LibTorch's operators. tokens: 1 x N.
void forward_by_operators(const Network::Impl& network, const at::Tensor& tokens,
                          const std::vector<Output>& outputs, const Control& control, int64_t cell,
                          Pieces& pieces) {
  const Parameters& p = network.parameters;
  const at::Tensor x = run_layers(p, embed_tokens(p, tokens), 0, network.sizes.depth,
                                  {Stabiliser::cell, &control, network.reduced});
  const at::Tensor encodings = final_norm(p, x);
  Classified classified;
  if (network.sizes.types > 0) classified = classify(p.head, encodings);
  keep(outputs, encodings, classified, p, cell, pieces);
}

// Tokens that LibTorch's part of a pass takes at a time: embedded and normed tokens are as large as
// the residual, and needed nowhere as a whole.
constexpr int64_t slice_tokens = 1024;

// Calls work(slice, first, count) for all slices of `tokens` tokens, side by side.
template <class Work>
void for_each_slice(int64_t tokens, const Work& work) {
  for_each_cell((tokens + slice_tokens - 1) / slice_tokens, Gradients::off, [&](int64_t i) {
    const int64_t first = i * slice_tokens;
    work(i, first, std::min(slice_tokens, tokens - first));
  });
}

// Normed encodings of some tokens, 1 x count x D.
at::Tensor normed_slice(const Network::Impl& network, const CellPass& pass, int64_t first,
                        int64_t count) {
  const at::Tensor x = at::empty({1, count, network.sizes.dim}, at::kFloat);
  pass.store(x.data_ptr<float>(), first, count);
  return final_norm(network.parameters, x);
}

// By the kernels. tokens: 1 x N.
void forward_by_kernels(const Network::Impl& network, const at::Tensor& tokens,
                        const std::vector<Output>& outputs, const Control& control, int64_t cell,
                        Pieces& pieces) {
  const Parameters& p = network.parameters;
  const int64_t length = network.sizes.positions;
  const LayerStack::Lease pass(*network.kernels);
  for_each_slice(length, [&](int64_t, int64_t first, int64_t count) {
    const at::Tensor x = embed_slice(p, tokens.narrow(1, first, count), first);
    pass->load(x.data_ptr<float>(), first, count);
  });
  network.kernels->run(*pass, control);
  Classified classified;
  if (network.sizes.types > 0) {
    std::vector<at::Tensor> scalars((length + slice_tokens - 1) / slice_tokens);
    for_each_slice(length, [&](int64_t i, int64_t first, int64_t count) {
      scalars[i] = token_scalars(p.head, normed_slice(network, *pass, first, count));
    });
    on_one_thread([&] { classified = classify_scalars(p.head, at::cat(scalars, 1)); });
  }
  on_one_thread([&] {
    const at::Tensor encodings =
        wants_encodings(outputs) ? normed_slice(network, *pass, 0, length) : at::Tensor();
    keep(outputs, encodings, classified, p, cell, pieces);
  });
}

// Whether threads share out a cell's tokens instead of cells: where there are fewer cells than
// threads, and where cells are so long that one at a time keeps all threads busy and saves memory.
bool cell_by_cell(const Network::Impl& network, int64_t cells) {
  const int64_t threads = at::get_num_threads();
  return network.kernels &&
         (cells < threads || network.sizes.positions > 2 * threads * slice_tokens);
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

Network::Network(Weights weights, const Compute& compute) : impl_(new Impl) {
  const NetworkSizes sizes = sizes_of(weights);
  impl_->sizes = sizes;
  impl_->parameters = to_parameters(std::move(weights), sizes, compute.device);
  impl_->reduced = reduces_products(compute);
  const Tier* tier = choose_tier(compute);
  if (tier == nullptr) return;
  impl_->kernels =
      std::make_unique<LayerStack>(impl_->parameters, sizes, 0, sizes.depth, *tier, Keep::nothing);
  impl_->parameters.layers.clear();  // the kernels have them packed
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
    const auto forward_cell = impl_->kernels ? forward_by_kernels : forward_by_operators;
    forward_cell(*impl_, one, options.outputs, control, cell, pieces);
    ++control.done;
  };
  if (cell_by_cell(*impl_, tokens.cells))
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
