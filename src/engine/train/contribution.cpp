#include "engine/train/contribution.h"

#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <numeric>

#include "engine/nn/operators.h"
#include "engine/runtime/for_each_cell.h"
#include "engine/train/gradients.h"
#include "engine/train/losses.h"

namespace canal {

namespace {

// The losses' sums into `sums`; returns the total as a tensor with gradients.
at::Tensor total_loss(const Classified& out, const Target& target, const LossWeights& weights,
                      Losses& sums) {
  const at::Tensor classification =
      smoothed_cross_entropy(out.logits, target.labels, weights.label_smoothing).sum();
  at::Tensor total = classification;
  if (target.old_embedding.defined()) {
    const at::Tensor drift = embedding_drift(out.embedding, target.old_embedding).sum();
    sums.distillation = drift.item<double>();
    total = total + drift * weights.distillation;
  }
  sums.classification = classification.item<double>();
  sums.total = total.item<double>();
  return total;
}

void append(std::vector<at::Tensor>& to, const std::vector<at::Tensor>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

LayerGradients places(LayerParameters& g) {
  auto data = [](at::Tensor& tensor) { return tensor.data_ptr<float>(); };
  return {data(g.norm1_weight), data(g.norm1_bias), nullptr,        data(g.to_q),
          data(g.to_k),         data(g.to_v),       data(g.to_out), data(g.to_out_bias),
          data(g.norm2_weight), data(g.norm2_bias), data(g.w1),     data(g.b1),
          data(g.w2),           data(g.b2)};
}

// A cell between its first trained layer and its loss, on the kernels.
struct CellOnWay {
  at::Tensor x;  // 1 x N x D, with gradients where a table learns
  LayerStack::Lease pass;

  CellOnWay(const LayerStack& kernels, const at::Tensor& entered) : x(entered), pass(kernels) {
    pass->load(x.detach().contiguous().data_ptr<float>(), 0, x.size(1));
  }
};

// The head's loss, and back through it: gradients of what lies behind the layers, and of the
// layers' output.
at::Tensor through_head(const StageNetwork& network, const CellOnWay& cell, const Target& target,
                        const LossWeights& weights, Contribution& to) {
  at::Tensor top = at::empty_like(cell.x.detach());
  cell.pass->store(top.data_ptr<float>(), 0, top.size(1));
  top.requires_grad_(true);
  const at::Tensor total = total_loss(network.leave(top), target, weights, to.sums);
  std::vector<at::Tensor> wanted = network.trained_behind();
  wanted.push_back(top);
  to.gradients = gradients_of(total * weights.share, wanted);
  const at::Tensor dtop = to.gradients.back().contiguous();
  to.gradients.pop_back();
  return dtop;
}

// The learned gradients of one layer on its second half back, in order; none where it is frozen.
std::vector<at::Tensor> through_keys(const StageNetwork& network, const CellOnWay& cell, int64_t i,
                                     double stabiliser_gradient, const Control& control) {
  const int64_t layer = network.frozen_layers() + i;
  if (!network.learns(layer)) {
    cell.pass->backward_keys(stabiliser_gradient, nullptr, control);
    return {};
  }
  LayerParameters sums = network.zero_gradients(layer);
  const LayerGradients to = places(sums);
  cell.pass->backward_keys(stabiliser_gradient, &to, control);
  return learned_tensors(sums, network.sizes());
}

double through_queries(const StageNetwork& network, const CellOnWay& cell, int64_t i,
                       const Control& control) {
  return cell.pass->backward_queries(i, network.learns(network.frozen_layers() + i), control);
}

// Back into the token and position tables.
std::vector<at::Tensor> through_tables(const StageNetwork& network, const CellOnWay& cell) {
  const std::vector<at::Tensor> tables = network.trained_before();
  if (tables.empty()) return {};
  at::Tensor dx = at::empty_like(cell.x.detach());
  cell.pass->store_gradient(dx.data_ptr<float>());
  return gradients_of((cell.x * dx).sum(), tables);
}

// What comes from behind the layers, from them and from before them, in the order of the
// checkpoint.
Contribution assembled(const StageNetwork& network, const CellOnWay& cell, Contribution behind,
                       const std::vector<at::Tensor>& layers) {
  std::vector<at::Tensor> gradients = through_tables(network, cell);
  append(gradients, layers);
  append(gradients, behind.gradients);
  behind.gradients = std::move(gradients);
  return behind;
}

void prepend(std::vector<at::Tensor>& to, const std::vector<at::Tensor>& more) {
  to.insert(to.begin(), more.begin(), more.end());
}

}  // namespace

void add_to(Contribution& total, Contribution part) {
  if (total.gradients.empty()) {
    total = std::move(part);
    return;
  }
  total.sums.classification += part.sums.classification;
  total.sums.distillation += part.sums.distillation;
  total.sums.total += part.sums.total;
  for (size_t g = 0; g < total.gradients.size(); ++g) total.gradients[g].add_(part.gradients[g]);
}

Contribution contribute(const StageNetwork& network, const at::Tensor& x, const Target& target,
                        const LossWeights& weights, const Control& control) {
  std::vector<at::Tensor> parameters;
  for (const auto& [name, tensor] : network.trainable()) parameters.push_back(tensor);
  Contribution result;
  const Classified out = network.leave(network.run_trained(x, control));
  const at::Tensor total = total_loss(out, target, weights, result.sums);
  result.gradients = gradients_of(total * weights.share, parameters);
  return result;
}

Contribution contribute_cell(const StageNetwork& network, const at::Tensor& x, const Target& target,
                             const LossWeights& weights, const Control& control) {
  const LayerStack& kernels = *network.trained_kernels();
  const SpanLoop loop = side_by_side();
  const CellOnWay cell(kernels, x);
  for (int64_t i = 0; i < kernels.depth(); ++i)
    cell.pass->finish(i, cell.pass->keys(i, loop, control), loop, control);
  Contribution behind;
  cell.pass->load_gradient(through_head(network, cell, target, weights, behind).data_ptr<float>());
  std::vector<at::Tensor> layers;
  for (int64_t i = kernels.depth() - 1; i >= 0; --i) {
    const double gradient = through_queries(network, cell, i, control);
    prepend(layers, through_keys(network, cell, i, gradient, control));
  }
  return assembled(network, cell, std::move(behind), layers);
}

std::vector<Contribution> contribute_together(const StageNetwork& network,
                                              const std::vector<at::Tensor>& x,
                                              const std::vector<Target>& targets,
                                              const LossWeights& weights, const Control& control) {
  const LayerStack& kernels = *network.trained_kernels();
  const SpanLoop loop = side_by_side();
  std::vector<CellOnWay> cells;
  for (const at::Tensor& one : x) cells.emplace_back(kernels, one);
  const int64_t count = static_cast<int64_t>(cells.size());
  std::vector<float> stabilisers(count);
  std::vector<int64_t> owners;  // by layer, the cell that the stabiliser came from
  for (int64_t layer = 0; layer < kernels.depth(); ++layer) {
    for_each_cell(count, Gradients::off,
                  [&](int64_t i) { stabilisers[i] = cells[i].pass->keys(layer, loop, control); });
    const auto largest = std::max_element(stabilisers.begin(), stabilisers.end());
    const float stabiliser = *largest;
    owners.push_back(largest - stabilisers.begin());
    for_each_cell(count, Gradients::off,
                  [&](int64_t i) { cells[i].pass->finish(layer, stabiliser, loop, control); });
  }

  std::vector<Contribution> parts(count);
  for_each_cell(count, Gradients::on, [&](int64_t i) {
    const at::Tensor dtop = through_head(network, cells[i], targets[i], weights, parts[i]);
    cells[i].pass->load_gradient(dtop.data_ptr<float>());
  });
  std::vector<std::vector<at::Tensor>> layers(count);
  std::vector<double> gradients(count);
  for (int64_t layer = kernels.depth() - 1; layer >= 0; --layer) {
    for_each_cell(count, Gradients::off, [&](int64_t i) {
      gradients[i] = through_queries(network, cells[i], layer, control);
    });
    const double gradient = std::accumulate(gradients.begin(), gradients.end(), 0.0);
    for_each_cell(count, Gradients::off, [&](int64_t i) {
      const double share = i == owners[layer] ? gradient : 0;
      prepend(layers[i], through_keys(network, cells[i], layer, share, control));
    });
  }
  for_each_cell(count, Gradients::on, [&](int64_t i) {
    parts[i] = assembled(network, cells[i], std::move(parts[i]), layers[i]);
  });
  return parts;
}

}  // namespace canal
