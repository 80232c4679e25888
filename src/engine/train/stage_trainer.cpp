#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "engine/errors.h"
#include "engine/nn/batch.h"
#include "engine/nn/operators.h"
#include "engine/nn/random.h"
#include "engine/runtime/for_each_cell.h"
#include "engine/runtime/thread_scope.h"
#include "engine/train/losses.h"
#include "engine/train/optimiser.h"
#include "engine/train/stage_network.h"
#include "engine/trainer.h"

namespace canal {

namespace {

// Numbers of features (N*H*M per cell) that one pass with gradients may hold: a batch is worked
// through in parts of that many, their gradients added. About 0.4 GB per trained layer.
constexpr int64_t feature_budget = int64_t{1} << 24;

int64_t cells_per_part(const NetworkSizes& s, const TrainerOptions& options) {
  if (options.batch_stabiliser) return options.batch_size;  // one stabiliser, one part
  const int64_t per_cell = s.positions * s.heads * s.features;
  return std::clamp<int64_t>(feature_budget / per_cell, 1, options.batch_size);
}

void check_options(const TrainerOptions& options) {
  if (options.batch_size < 1) throw Error(ErrorKind::input, "A batch needs at least one cell.");
  if (options.label_smoothing < 0 || options.label_smoothing >= 1)
    throw Error(ErrorKind::input, "Label smoothing must lie in [0, 1).");
}

void check_data(const StageData& data, int64_t types) {
  if (static_cast<int64_t>(data.labels.size()) != data.tokens.cells)
    throw Error(ErrorKind::sizes, "Expected a label for each of " +
                                      std::to_string(data.tokens.cells) + " cells, got " +
                                      std::to_string(data.labels.size()) + ".");
  for (int32_t label : data.labels)
    if (label < 0 || label >= types)
      throw Error(ErrorKind::input, "Label " + std::to_string(label) + " (from 0) is no type.");
}

// labels of the cells: B, int64
at::Tensor label_batch(const std::vector<int32_t>& labels, const std::vector<int64_t>& cells) {
  at::Tensor batch = at::empty({static_cast<int64_t>(cells.size())}, at::kLong);
  int64_t* out = batch.data_ptr<int64_t>();
  for (int64_t cell : cells) *out++ = labels[cell];
  return batch;
}

at::Tensor index_tensor(const std::vector<int64_t>& cells) {
  at::Tensor index = at::empty({static_cast<int64_t>(cells.size())}, at::kLong);
  std::copy(cells.begin(), cells.end(), index.data_ptr<int64_t>());
  return index;
}

using Parts = std::vector<std::vector<int64_t>>;

Parts split(const std::vector<int64_t>& cells, int64_t size) {
  Parts parts;
  for (size_t first = 0; first < cells.size(); first += size)
    parts.emplace_back(cells.begin() + first,
                       cells.begin() + std::min(cells.size(), first + size));
  return parts;
}

}  // namespace

struct StageTrainer::Impl {
  Impl(const Weights& weights, const StageData& training, const TrainerOptions& opts)
      : options(opts),
        network(weights, opts),
        token_bytes(training.tokens.data,
                    training.tokens.data + training.tokens.cells * training.tokens.length),
        labels(training.labels),
        view{token_bytes.data(), training.tokens.cells, training.tokens.length},
        optimiser(trained(network), opts.weight_decay),
        generator(make_generator(opts.seed)) {}

  static std::vector<at::Tensor> trained(const StageNetwork& network) {
    std::vector<at::Tensor> tensors;
    for (const auto& [name, tensor] : network.trainable()) tensors.push_back(tensor);
    return tensors;
  }

  at::Tensor tokens_of(const TokenView& tokens, const std::vector<int64_t>& cells) const {
    return token_batch(tokens, cells, network.sizes().positions, network.sizes().tokens)
        .to(network.device());
  }

  at::Tensor labels_of(const std::vector<int32_t>& all, const std::vector<int64_t>& cells) const {
    return label_batch(all, cells).to(network.device());
  }

  void remember_old_embeddings(const Weights& old_weights, const Control& control);
  void redraw_if_due();
  Losses add_gradients(const std::vector<int64_t>& batch, const Control& control);

  TrainerOptions options;
  StageNetwork network;
  std::vector<uint8_t> token_bytes;  // cells x length
  std::vector<int32_t> labels;
  TokenView view;
  Optimiser optimiser;
  at::Generator generator;
  at::Tensor old_embedding;          // cells x W2; undefined without distillation
  int64_t passes_since_redraw = 0;
  Weights best;
};

// The old model is frozen, so its embedding of a cell is one number for the whole stage.
void StageTrainer::Impl::remember_old_embeddings(const Weights& old_weights,
                                                 const Control& control) {
  const StageNetwork old(old_weights, options);
  if (old.sizes().fc2 != network.sizes().fc2)
    throw Error(ErrorKind::sizes, "The old model's embedding has another width.");
  if (options.batch_stabiliser) {
    const c10::NoGradGuard no_grad;
    old_embedding =
        old.forward(tokens_of(view, cell_range(0, view.cells, view.cells)), control).embedding;
    return;
  }
  std::vector<at::Tensor> pieces(view.cells);
  for_each_cell(view.cells, [&](int64_t cell) {
    pieces[cell] = old.predict(tokens_of(view, {cell}), control).embedding;
  });
  if (!pieces.empty()) old_embedding = at::cat(pieces);
}

void StageTrainer::Impl::redraw_if_due() {
  if (options.redraw_interval < 1) return;
  if (passes_since_redraw >= options.redraw_interval) {
    network.redraw(generator);
    passes_since_redraw = 0;
  }
  ++passes_since_redraw;
}

// Adds the gradients of the batch's mean loss, part by part, and returns the loss's sums.
Losses StageTrainer::Impl::add_gradients(const std::vector<int64_t>& batch,
                                         const Control& control) {
  Losses sums{0, 0, 0};
  const double share = 1.0 / static_cast<double>(batch.size());
  for (const auto& cells : split(batch, cells_per_part(network.sizes(), options))) {
    const Classified out = network.forward(tokens_of(view, cells), control);
    const at::Tensor classification =
        smoothed_cross_entropy(out.logits, labels_of(labels, cells), options.label_smoothing)
            .sum();
    at::Tensor total = classification;
    if (old_embedding.defined()) {
      const at::Tensor drift =
          embedding_drift(out.embedding, old_embedding.index_select(0, index_tensor(cells).to(network.device()))).sum();
      sums.distillation += drift.item<double>();
      total = total + drift * options.distillation;
    }
    (total * share).backward();
    sums.classification += classification.item<double>();
    sums.total += total.item<double>();
  }
  return sums;
}

StageTrainer::StageTrainer(const Weights& weights, const Weights* old_weights,
                           const StageData& training, const TrainerOptions& options,
                           Control& control) {
  check_options(options);
  impl_.reset(new Impl(weights, training, options));
  check_data(training, impl_->network.sizes().types);
  const ThreadScope threads(options.num_threads);
  if (options.distillation > 0 && old_weights != nullptr)
    impl_->remember_old_embeddings(*old_weights, control);
  impl_->best = impl_->network.weights();
}
StageTrainer::~StageTrainer() = default;

Losses StageTrainer::train_epoch(double learning_rate, bool shuffle, Control& control) {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  const int64_t count = self.view.cells;
  control.total = count;
  self.optimiser.set_learning_rate(learning_rate);
  const std::vector<int64_t> order =
      shuffle ? draw_permutation(count, self.generator) : cell_range(0, count, count);
  Losses sums{0, 0, 0};
  for (const auto& batch : split(order, self.options.batch_size)) {
    self.redraw_if_due();
    self.optimiser.zero_grad();
    const Losses losses = self.add_gradients(batch, control);
    self.optimiser.step();
    sums.classification += losses.classification;
    sums.distillation += losses.distillation;
    sums.total += losses.total;
    control.done += static_cast<int64_t>(batch.size());
  }
  const double cells = static_cast<double>(std::max<int64_t>(1, count));
  return {sums.classification / cells, sums.distillation / cells, sums.total / cells};
}

Validation StageTrainer::validate(const StageData& data, Control& control) const {
  const Impl& self = *impl_;
  check_data(data, self.network.sizes().types);
  const ThreadScope threads(self.options.num_threads);
  const int64_t count = data.tokens.cells;
  control.total = count;
  Validation result{0, std::vector<int32_t>(count)};
  std::vector<double> losses(count);
  for_each_cell(count, [&](int64_t cell) {
    const at::Tensor logits =
        self.network.predict(self.tokens_of(data.tokens, {cell}), control).logits;   // 1 x K
    losses[cell] = smoothed_cross_entropy(logits, self.labels_of(data.labels, {cell}),
                                          self.options.label_smoothing)
                       .item<double>();
    result.predicted[cell] = static_cast<int32_t>(at::argmax(logits, 1).item<int64_t>());
    ++control.done;
  });
  if (count > 0)
    result.loss = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(count);
  return result;
}

Weights StageTrainer::weights() const { return impl_->network.weights(); }

Weights StageTrainer::gradients() {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  const Control control;
  self.optimiser.zero_grad();
  self.add_gradients(cell_range(0, self.options.batch_size, self.view.cells), control);
  Weights gradients;
  for (const auto& [name, tensor] : self.network.trainable())
    if (tensor.grad().defined()) gradients.emplace_back(name, to_array(tensor.grad()));
  self.optimiser.zero_grad();
  return gradients;
}

void StageTrainer::keep_best() { impl_->best = impl_->network.weights(); }
Weights StageTrainer::best_weights() const { return impl_->best; }

}  // namespace canal
