#include "engine/train/cell_gradients.h"

#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <numeric>

#include "engine/nn/operators.h"
#include "engine/runtime/for_each_cell.h"

namespace canal {

namespace {

void append(GradientList& to, const GradientList& more) {
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

// The loss, and back through the head: gradients of what lies behind the layers into `behind`;
// returns that of the layers' output, 1 x N x D.
at::Tensor through_head(const TrainedNetwork& network, const CellOnWay& cell, const LossOf& loss,
                        GradientList& behind) {
  at::Tensor top = at::empty_like(cell.x.detach());
  cell.pass->store(top.data_ptr<float>(), 0, top.size(1));
  top.requires_grad_(true);
  GradientList wanted = network.trained_behind();
  wanted.push_back(top);
  behind = gradients_of(loss(top), wanted);
  const at::Tensor dtop = behind.back().contiguous();
  behind.pop_back();
  return dtop;
}

// The learned gradients of one layer on its second half back, in order; none where it is frozen.
std::vector<at::Tensor> through_keys(const TrainedNetwork& network, const CellOnWay& cell,
                                     int64_t i, double stabiliser_gradient,
                                     const Control& control) {
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

double through_queries(const TrainedNetwork& network, const CellOnWay& cell, int64_t i,
                       const Control& control) {
  return cell.pass->backward_queries(i, network.learns(network.frozen_layers() + i), control);
}

// Back into the token and position tables.
std::vector<at::Tensor> through_tables(const TrainedNetwork& network, const CellOnWay& cell) {
  const std::vector<at::Tensor> tables = network.trained_before();
  if (tables.empty()) return {};
  at::Tensor dx = at::empty_like(cell.x.detach());
  cell.pass->store_gradient(dx.data_ptr<float>());
  return gradients_of((cell.x * dx).sum(), tables);
}

// What comes from before the layers, from them and from behind them, in the order of the
// checkpoint.
GradientList assembled(const TrainedNetwork& network, const CellOnWay& cell,
                       const GradientList& layers, const GradientList& behind) {
  GradientList gradients = through_tables(network, cell);
  append(gradients, layers);
  append(gradients, behind);
  return gradients;
}

void prepend(GradientList& to, const GradientList& more) {
  to.insert(to.begin(), more.begin(), more.end());
}

}  // namespace

GradientList gradients_by_operators(const TrainedNetwork& network, const at::Tensor& x,
                                    const LossOf& loss, const Control& control) {
  GradientList parameters;
  for (const auto& [name, tensor] : network.trainable()) parameters.push_back(tensor);
  return gradients_of(loss(network.run_trained(x, control)), parameters);
}

GradientList gradients_by_kernels(const TrainedNetwork& network, const at::Tensor& x,
                                  const LossOf& loss, const Control& control) {
  const LayerStack& kernels = *network.trained_kernels();
  const SpanLoop loop = side_by_side();
  const CellOnWay cell(kernels, x);
  for (int64_t i = 0; i < kernels.depth(); ++i)
    cell.pass->finish(i, cell.pass->keys(i, loop, control), loop, control);
  GradientList layers, behind;
  cell.pass->load_gradient(through_head(network, cell, loss, behind).data_ptr<float>());
  for (int64_t i = kernels.depth() - 1; i >= 0; --i) {
    const double gradient = through_queries(network, cell, i, control);
    prepend(layers, through_keys(network, cell, i, gradient, control));
  }
  return assembled(network, cell, layers, behind);
}

GradientList gradients_of_cell(const TrainedNetwork& network, const at::Tensor& x,
                               const LossOf& loss, const Control& control) {
  const auto how = network.trained_kernels() ? gradients_by_kernels : gradients_by_operators;
  return how(network, x, loss, control);
}

std::vector<GradientList> gradients_together(const TrainedNetwork& network,
                                             const std::vector<at::Tensor>& x,
                                             const std::vector<LossOf>& losses,
                                             const Control& control) {
  const LayerStack& kernels = *network.trained_kernels();
  const SpanLoop loop = side_by_side();
  std::vector<CellOnWay> cells;
  cells.reserve(x.size());
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

  std::vector<GradientList> behind(count), layers(count);
  for_each_cell(count, Gradients::on, [&](int64_t i) {
    const at::Tensor dtop = through_head(network, cells[i], losses[i], behind[i]);
    cells[i].pass->load_gradient(dtop.data_ptr<float>());
  });
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
  std::vector<GradientList> all(count);
  for_each_cell(count, Gradients::on,
                [&](int64_t i) { all[i] = assembled(network, cells[i], layers[i], behind[i]); });
  return all;
}

}  // namespace canal
