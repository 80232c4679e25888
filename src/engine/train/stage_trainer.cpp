#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/rand.h>
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
#include "engine/train/cell_gradients.h"
#include "engine/train/descent.h"
#include "engine/train/frozen_cache.h"
#include "engine/train/losses.h"
#include "engine/trainer.h"

namespace canal {

namespace {

const TrainerOptions& checked(const TrainerOptions& options) {
  if (options.label_smoothing < 0 || options.label_smoothing >= 1)
    throw Error(ErrorKind::input, "Label smoothing must lie in [0, 1).");
  if (options.dropped_tokens < 0 || options.dropped_tokens > 1)
    throw Error(ErrorKind::input, "The share of dropped tokens must lie in [0, 1].");
  return options;
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

// What frozen layers make of a cell can be kept where there are any, and where it does not depend
// on the cell's batch.
CacheOptions usable_cache(const TrainerOptions& options, const TrainedNetwork& network) {
  CacheOptions cache = options.cache;
  if (network.frozen_layers() == 0 || options.batch_stabiliser) cache.enabled = false;
  return cache;
}

// What the model of the stage before reads of each cell: the genes that have joined since lie
// behind its own. Returns cells x length.
std::vector<uint8_t> first_tokens(const TokenView& view, int64_t length) {
  if (length > view.length)
    throw Error(ErrorKind::sizes, "The old model reads more genes than the new one.");
  std::vector<uint8_t> bytes;
  bytes.reserve(view.cells * length);
  for (int64_t cell = 0; cell < view.cells; ++cell) {
    const uint8_t* from = view.data + cell * view.length;
    bytes.insert(bytes.end(), from, from + length);
  }
  return bytes;
}

// What a cell is trained towards, and its part of the step's loss.
struct Target {
  at::Tensor label;          // 1, int64
  at::Tensor old_embedding;  // 1 x W2; undefined without distillation
  double share;              // of the cell in the mean over the step
};

void add(Losses& sums, const Losses& more) {
  sums.classification += more.classification;
  sums.distillation += more.distillation;
  sums.total += more.total;
}

}  // namespace

struct StageTrainer::Impl {
  Impl(const Weights& weights, const StageData& training, const TrainerOptions& opts)
      : options(checked(opts)),
        network(weights, {opts.trainable, opts.learn_positions, opts.new_positions, false}, opts),
        descent(network, opts),
        token_bytes(training.tokens.data,
                    training.tokens.data + training.tokens.cells * training.tokens.length),
        labels(training.labels),
        view{token_bytes.data(), training.tokens.cells, training.tokens.length},
        frozen(usable_cache(opts, network), network.sizes().positions * network.sizes().dim,
               network.reduced()) {}

  at::Tensor tokens_of(const TokenView& tokens, const Cells& cells) const {
    return token_batch(tokens, cells, network.sizes().positions, network.sizes().tokens)
        .to(network.device());
  }

  at::Tensor labels_of(const std::vector<int32_t>& all, const Cells& cells) const {
    return label_batch(all, cells).to(network.device());
  }

  at::Tensor enter_cell(const TokenView& tokens, int64_t cell, const Control& control) const;
  void remember_old_embeddings(const Weights& old_weights, const Control& control);
  at::Tensor with_dropped_tokens(const at::Tensor& tokens);
  Target target_of(int64_t cell, double share) const;
  LossOf loss_of(const Target& target, Losses& sums) const;
  at::Tensor entered(int64_t cell, const at::Tensor& tokens, const Control& control) const;
  GradientList differentiate_together(const Cells& batch, const at::Tensor& tokens, double share,
                                      Losses& sums, const Control& control) const;
  GradientList differentiate(const Cells& cells, const at::Tensor& tokens, Losses& sums,
                             const Control& control) const;

  TrainerOptions options;
  TrainedNetwork network;
  Descent descent;
  std::vector<uint8_t> token_bytes;  // cells x length
  std::vector<int32_t> labels;
  TokenView view;
  mutable FrozenCache frozen;
  at::Tensor old_embedding;  // cells x W2; undefined without distillation
};

// What the frozen layers make of a cell with all its tokens, from the cache if it is there.
// Returns 1 x N x D.
at::Tensor StageTrainer::Impl::enter_cell(const TokenView& tokens, int64_t cell,
                                          const Control& control) const {
  const at::Tensor one = tokens_of(tokens, {cell});
  if (!frozen.enabled()) return network.enter(one, control);
  const uint8_t* bytes = tokens.data + cell * tokens.length;
  at::Tensor x = at::empty({1, network.sizes().positions, network.sizes().dim}, at::kFloat);
  if (frozen.get(bytes, tokens.length, x.data_ptr<float>())) return x.to(network.device());
  x = network.enter(one, control).to(at::kCPU).contiguous();
  frozen.put(bytes, tokens.length, x.data_ptr<float>());
  // As it comes out again, so that the first epoch sees what the later ones see.
  frozen.get(bytes, tokens.length, x.data_ptr<float>());
  return x.to(network.device());
}

// The old model is frozen, so its embedding of a cell is one number for the whole stage.
void StageTrainer::Impl::remember_old_embeddings(const Weights& old_weights,
                                                 const Control& control) {
  const TrainedNetwork old(old_weights, {Trainable::head}, options);
  if (old.sizes().fc2 != network.sizes().fc2)
    throw Error(ErrorKind::sizes, "The old model's embedding has another width.");
  const std::vector<uint8_t> bytes = first_tokens(view, old.sizes().positions - 1);
  const TokenView read{bytes.data(), view.cells, old.sizes().positions - 1};
  auto tokens_read = [&](const Cells& cells) {
    return token_batch(read, cells, old.sizes().positions, old.sizes().tokens).to(network.device());
  };
  if (options.batch_stabiliser) {
    const c10::NoGradGuard no_grad;
    const Cells all = cell_range(0, view.cells, view.cells);
    std::vector<at::Tensor> pieces;
    for (const Cells& batch : split(all, options.batch_size))
      pieces.push_back(old.leave(old.enter(tokens_read(batch), control)).embedding);
    if (!pieces.empty()) old_embedding = at::cat(pieces);
    return;
  }
  // Every worker computes its share; the others' rows are zeros in the sum.
  const Descent::Share own = descent.own_share(view.cells);
  const int64_t width = network.sizes().fc2;
  std::vector<float> rows(view.cells * width, 0);
  for_each_cell(own.last - own.first, Gradients::off, [&](int64_t i) {
    const int64_t cell = own.first + i;
    const FloatArray row = to_array(old.leave(old.enter(tokens_read({cell}), control)).embedding);
    std::copy(row.values.begin(), row.values.end(), rows.begin() + cell * width);
  });
  descent.sum_over_team(rows, control);
  old_embedding = to_tensor({{view.cells, width}, rows}).to(network.device());
}

// Imitates cells of which fewer transcripts were caught: every cell gets a share of its own,
// uniform from 0 to dropped_tokens, and each of its tokens becomes 0 with that probability. Drawn
// for the whole batch at once, so that threads cannot change it. tokens: B x N.
at::Tensor StageTrainer::Impl::with_dropped_tokens(const at::Tensor& tokens) {
  if (options.dropped_tokens <= 0) return tokens;
  const at::Tensor share =
      at::rand({tokens.size(0), 1}, descent.generator()) * options.dropped_tokens;  // B x 1
  const at::Tensor kept = at::rand(tokens.sizes(), descent.generator()).ge(share);  // B x N
  return tokens * kept.to(tokens.device());
}

Target StageTrainer::Impl::target_of(int64_t cell, double share) const {
  Target target{labels_of(labels, {cell}), {}, share};
  if (old_embedding.defined()) target.old_embedding = old_embedding.narrow(0, cell, 1);
  return target;
}

// The cell's share of the loss; its losses are added to `sums`, which must outlive the result.
LossOf StageTrainer::Impl::loss_of(const Target& target, Losses& sums) const {
  return [this, target, &sums](const at::Tensor& top) {
    const Classified out = network.leave(top);
    const at::Tensor classification =
        smoothed_cross_entropy(out.logits, target.label, options.label_smoothing).sum();
    at::Tensor total = classification;
    double distillation = 0;
    if (target.old_embedding.defined()) {
      const at::Tensor drift = embedding_drift(out.embedding, target.old_embedding).sum();
      distillation = drift.item<double>();
      total = total + drift * options.distillation;
    }
    add(sums, {classification.item<double>(), distillation, total.item<double>()});
    return total * target.share;
  };
}

// What the layers that gradients pass are given. tokens: the cell's as they are to be trained on,
// 1 x N.
at::Tensor StageTrainer::Impl::entered(int64_t cell, const at::Tensor& tokens,
                                       const Control& control) const {
  return options.dropped_tokens > 0 ? network.enter(tokens, control)
                                    : enter_cell(view, cell, control);
}

// One stabiliser for the mini-batch: its cells cannot be told apart.
GradientList StageTrainer::Impl::differentiate_together(const Cells& batch,
                                                        const at::Tensor& tokens, double share,
                                                        Losses& sums,
                                                        const Control& control) const {
  const int64_t count = static_cast<int64_t>(batch.size());
  std::vector<Losses> parts(batch.size(), Losses{0, 0, 0});
  std::vector<LossOf> losses;
  for (int64_t i = 0; i < count; ++i)
    losses.push_back(loss_of(target_of(batch[i], share), parts[i]));
  GradientList total;
  if (!network.trained_kernels()) {
    const LossOf loss = [&](const at::Tensor& top) {
      at::Tensor sum = losses[0](top.narrow(0, 0, 1));
      for (int64_t i = 1; i < count; ++i) sum = sum + losses[i](top.narrow(0, i, 1));
      return sum;
    };
    total = gradients_by_operators(network, network.enter(tokens, control), loss, control);
  } else {
    at::Tensor frozen_part;  // B x N x D
    if (network.frozen_layers() > 0) frozen_part = network.enter(tokens, control);
    std::vector<at::Tensor> cells;
    // Where gradients go back into the tables, every cell needs a graph of its own.
    for (int64_t i = 0; i < count; ++i)
      cells.push_back(frozen_part.defined() ? frozen_part.narrow(0, i, 1)
                                            : network.enter(tokens.narrow(0, i, 1), control));
    for (GradientList& part : gradients_together(network, cells, losses, control))
      add_to(total, std::move(part));
  }
  for (const Losses& part : parts) add(sums, part);
  return total;
}

// The gradients of the mean loss of a step's cells: the mean over its mini-batches of the mean over
// the cells of each. tokens: of the cells, as they are to be trained on, cells x N.
GradientList StageTrainer::Impl::differentiate(const Cells& cells, const at::Tensor& tokens,
                                               Losses& sums, const Control& control) const {
  const std::vector<Cells> batches = split(cells, options.batch_size);
  const auto share_in = [&](const Cells& batch) {
    return 1.0 / (static_cast<double>(batch.size()) * static_cast<double>(batches.size()));
  };
  if (options.batch_stabiliser) {
    GradientList total;
    int64_t first = 0;
    for (const Cells& batch : batches) {
      const int64_t count = static_cast<int64_t>(batch.size());
      add_to(total, differentiate_together(batch, tokens.narrow(0, first, count), share_in(batch),
                                           sums, control));
      first += count;
    }
    return total;
  }
  const int64_t count = static_cast<int64_t>(cells.size());
  std::vector<Losses> parts(cells.size(), Losses{0, 0, 0});
  GradientList total = descent.sum_of(
      count,
      [&](int64_t i) {
        const Target target = target_of(cells[i], share_in(batches[i / options.batch_size]));
        return gradients_of_cell(network, entered(cells[i], tokens.narrow(0, i, 1), control),
                                 loss_of(target, parts[i]), control);
      },
      control);
  for (const Losses& part : parts) add(sums, part);
  return total;
}

StageTrainer::StageTrainer(const Weights& weights, const Weights* old_weights,
                           const StageData& training, const TrainerOptions& options,
                           Control& control) {
  impl_ = std::make_unique<Impl>(weights, training, options);
  check_data(training, impl_->network.sizes().types);
  const ThreadScope threads(options.num_threads);
  if (options.distillation > 0 && old_weights != nullptr)
    impl_->remember_old_embeddings(*old_weights, control);
}
StageTrainer::~StageTrainer() = default;

Losses StageTrainer::train_epoch(double learning_rate, bool shuffle, Control& control) {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  const int64_t count = self.view.cells;
  control.total = count;
  const Cells order =
      shuffle ? draw_permutation(count, self.descent.generator()) : cell_range(0, count, count);
  Losses sums{0, 0, 0};
  for (const Cells& cells : split(order, self.options.batch_size * self.options.accumulation)) {
    const int64_t passes = (static_cast<int64_t>(cells.size()) + self.options.batch_size - 1) /
                           self.options.batch_size;
    if (self.descent.redraw_if_due(passes)) self.frozen.clear();
    const at::Tensor tokens = self.with_dropped_tokens(self.tokens_of(self.view, cells));
    self.descent.step(self.differentiate(cells, tokens, sums, control), learning_rate);
    control.done += static_cast<int64_t>(cells.size());
  }
  std::vector<double> all{sums.classification, sums.distillation, sums.total};
  self.descent.sum_over_team(all, control);
  const double cells = static_cast<double>(std::max<int64_t>(1, count));
  return {all[0] / cells, all[1] / cells, all[2] / cells};
}

Validation StageTrainer::validate(const StageData& data, Control& control) const {
  const Impl& self = *impl_;
  check_data(data, self.network.sizes().types);
  const ThreadScope threads(self.options.num_threads);
  const int64_t count = data.tokens.cells;
  control.total = count;
  // By cell: loss, type. Zeros for the cells of other workers.
  std::vector<double> losses(count, 0), types(count, 0);
  const Descent::Share own = self.descent.own_share(count);
  for_each_cell(own.last - own.first, Gradients::off, [&](int64_t i) {
    const int64_t cell = own.first + i;
    const at::Tensor x = self.enter_cell(data.tokens, cell, control);
    const at::Tensor logits = self.network.leave(self.network.pass_through(x, control)).logits;
    losses[cell] = smoothed_cross_entropy(logits, self.labels_of(data.labels, {cell}),
                                          self.options.label_smoothing)
                       .item<double>();
    types[cell] = static_cast<double>(at::argmax(logits, 1).item<int64_t>());
    ++control.done;
  });
  self.descent.sum_over_team(losses, control);
  self.descent.sum_over_team(types, control);
  Validation result{0, std::vector<int32_t>(types.begin(), types.end())};
  if (count > 0)
    result.loss = std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(count);
  return result;
}

std::string StageTrainer::cache_problem() const { return impl_->frozen.problem(); }

Weights StageTrainer::weights() const { return impl_->network.weights(); }

Weights StageTrainer::gradients() {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  const Control control;
  const Cells batch = cell_range(0, self.options.batch_size, self.view.cells);
  Losses sums{0, 0, 0};
  const GradientList first =
      self.differentiate(batch, self.tokens_of(self.view, batch), sums, control);
  return named(self.network, first);
}

void StageTrainer::keep_best() { impl_->descent.keep_best(); }
Weights StageTrainer::best_weights() const { return impl_->descent.best(); }

TrainingState StageTrainer::state() const { return impl_->descent.state(); }

void StageTrainer::restore(const TrainingState& state) {
  impl_->descent.restore(state);
  impl_->frozen.clear();  // the state's random features may be others
}

}  // namespace canal
