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
#include "engine/train/contribution.h"
#include "engine/train/frozen_cache.h"
#include "engine/train/losses.h"
#include "engine/train/optimiser.h"
#include "engine/train/stage_network.h"
#include "engine/trainer.h"

namespace canal {

namespace {

void check_options(const TrainerOptions& options) {
  if (options.batch_size < 1) throw Error(ErrorKind::input, "A batch needs at least one cell.");
  if (options.label_smoothing < 0 || options.label_smoothing >= 1)
    throw Error(ErrorKind::input, "Label smoothing must lie in [0, 1).");
  if (options.dropped_tokens < 0 || options.dropped_tokens > 1)
    throw Error(ErrorKind::input, "The share of dropped tokens must lie in [0, 1].");
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

using Cells = std::vector<int64_t>;

std::vector<Cells> split(const Cells& cells, int64_t size) {
  std::vector<Cells> pieces;
  for (size_t first = 0; first < cells.size(); first += size)
    pieces.emplace_back(cells.begin() + first,
                        cells.begin() + std::min(cells.size(), first + size));
  return pieces;
}

// So many cells' gradients are held at once, however large the batch: each is as large as all
// trained parameters together.
constexpr int64_t cells_side_by_side = 16;

// What frozen layers make of a cell can be kept where there are any, and where it does not depend
// on the cell's batch.
CacheOptions usable_cache(const TrainerOptions& options, const StageNetwork& network) {
  CacheOptions cache = options.cache;
  if (network.frozen_layers() == 0 || options.batch_stabiliser) cache.enabled = false;
  return cache;
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
        generator(make_generator(opts.seed)),
        frozen(usable_cache(opts, network), network.sizes().positions * network.sizes().dim,
               network.reduced()) {}

  static std::vector<at::Tensor> trained(const StageNetwork& network) {
    std::vector<at::Tensor> tensors;
    for (const auto& [name, tensor] : network.trainable()) tensors.push_back(tensor);
    return tensors;
  }

  at::Tensor tokens_of(const TokenView& tokens, const Cells& cells) const {
    return token_batch(tokens, cells, network.sizes().positions, network.sizes().tokens)
        .to(network.device());
  }

  at::Tensor labels_of(const std::vector<int32_t>& all, const Cells& cells) const {
    return label_batch(all, cells).to(network.device());
  }

  at::Tensor enter_cell(const TokenView& tokens, int64_t cell, const Control& control) const;
  void remember_old_embeddings(const Weights& old_weights, const Control& control);
  void redraw_if_due();
  at::Tensor with_dropped_tokens(const at::Tensor& tokens);
  Target target_of(const Cells& cells) const;
  Contribution step_of_cell(int64_t cell, const at::Tensor& tokens, double share,
                            const Control& control) const;
  Contribution step_together(const Cells& batch, const at::Tensor& tokens, double share,
                             const Control& control) const;
  Contribution differentiate(const Cells& batch, const at::Tensor& tokens,
                             const Control& control) const;

  TrainerOptions options;
  StageNetwork network;
  std::vector<uint8_t> token_bytes;  // cells x length
  std::vector<int32_t> labels;
  TokenView view;
  Optimiser optimiser;
  at::Generator generator;
  mutable FrozenCache frozen;
  at::Tensor old_embedding;  // cells x W2; undefined without distillation
  int64_t passes_since_redraw = 0;
  Weights best;
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
  TrainerOptions all_frozen = options;
  all_frozen.trainable = Trainable::head;
  const StageNetwork old(old_weights, all_frozen);
  if (old.sizes().fc2 != network.sizes().fc2)
    throw Error(ErrorKind::sizes, "The old model's embedding has another width.");
  if (options.batch_stabiliser) {
    const c10::NoGradGuard no_grad;
    const Cells all = cell_range(0, view.cells, view.cells);
    std::vector<at::Tensor> pieces;
    for (const Cells& batch : split(all, options.batch_size))
      pieces.push_back(old.leave(old.enter(tokens_of(view, batch), control)).embedding);
    if (!pieces.empty()) old_embedding = at::cat(pieces);
    return;
  }
  std::vector<at::Tensor> pieces(view.cells);
  for_each_cell(view.cells, Gradients::off, [&](int64_t cell) {
    pieces[cell] = old.leave(old.enter(tokens_of(view, {cell}), control)).embedding;
  });
  if (!pieces.empty()) old_embedding = at::cat(pieces);
}

void StageTrainer::Impl::redraw_if_due() {
  if (options.redraw_interval < 1) return;
  if (passes_since_redraw >= options.redraw_interval) {
    network.redraw(generator);
    frozen.clear();
    passes_since_redraw = 0;
  }
  ++passes_since_redraw;
}

// Imitates cells of which fewer transcripts were caught: every cell gets a share of its own,
// uniform from 0 to dropped_tokens, and each of its tokens becomes 0 with that probability. Drawn
// for the whole batch at once, so that threads cannot change it. tokens: B x N.
at::Tensor StageTrainer::Impl::with_dropped_tokens(const at::Tensor& tokens) {
  if (options.dropped_tokens <= 0) return tokens;
  const at::Tensor share =
      at::rand({tokens.size(0), 1}, generator) * options.dropped_tokens;  // B x 1
  const at::Tensor kept = at::rand(tokens.sizes(), generator).ge(share);  // B x N
  return tokens * kept.to(tokens.device());
}

Target StageTrainer::Impl::target_of(const Cells& cells) const {
  Target target{labels_of(labels, cells), {}};
  if (old_embedding.defined())
    target.old_embedding = old_embedding.index_select(0, index_tensor(cells).to(network.device()));
  return target;
}

// tokens: the cell's as they are to be trained on, 1 x N. share: 1 / cells of the batch.
Contribution StageTrainer::Impl::step_of_cell(int64_t cell, const at::Tensor& tokens, double share,
                                              const Control& control) const {
  const at::Tensor x =
      options.dropped_tokens > 0 ? network.enter(tokens, control) : enter_cell(view, cell, control);
  const LossWeights weights{options.label_smoothing, options.distillation, share};
  const auto how = network.trained_kernels() ? contribute_cell : contribute;
  return how(network, x, target_of({cell}), weights, control);
}

// One stabiliser for the batch: its cells cannot be told apart.
Contribution StageTrainer::Impl::step_together(const Cells& batch, const at::Tensor& tokens,
                                               double share, const Control& control) const {
  const LossWeights weights{options.label_smoothing, options.distillation, share};
  if (!network.trained_kernels())
    return contribute(network, network.enter(tokens, control), target_of(batch), weights, control);
  at::Tensor frozen_part;  // B x N x D
  if (network.frozen_layers() > 0) frozen_part = network.enter(tokens, control);
  std::vector<at::Tensor> cells;
  std::vector<Target> targets;
  for (size_t i = 0; i < batch.size(); ++i) {
    const int64_t cell = static_cast<int64_t>(i);
    // Where gradients go back into the tables, every cell needs a graph of its own.
    cells.push_back(frozen_part.defined() ? frozen_part.narrow(0, cell, 1)
                                          : network.enter(tokens.narrow(0, cell, 1), control));
    targets.push_back(target_of({batch[i]}));
  }
  Contribution total;
  for (Contribution& part : contribute_together(network, cells, targets, weights, control))
    add_to(total, std::move(part));
  return total;
}

// The gradients of a batch's mean loss. Every cell is differentiated by itself, several side by
// side.
Contribution StageTrainer::Impl::differentiate(const Cells& batch, const at::Tensor& tokens,
                                               const Control& control) const {
  const double share = 1.0 / static_cast<double>(batch.size());
  if (options.batch_stabiliser) return step_together(batch, tokens, share, control);
  const int64_t cells = static_cast<int64_t>(batch.size());
  Contribution total;
  for (int64_t first = 0; first < cells; first += cells_side_by_side) {
    std::vector<Contribution> parts(std::min(cells_side_by_side, cells - first));
    for_each_cell(static_cast<int64_t>(parts.size()), Gradients::on, [&](int64_t i) {
      const int64_t cell = first + i;
      parts[i] = step_of_cell(batch[cell], tokens.narrow(0, cell, 1), share, control);
    });
    // In the order of the cells, so that threads cannot change a bit.
    for (Contribution& part : parts) add_to(total, std::move(part));
  }
  return total;
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
    const at::Tensor tokens = self.with_dropped_tokens(self.tokens_of(self.view, batch));  // B x N
    const Contribution step = self.differentiate(batch, tokens, control);
    self.optimiser.step(step.gradients);
    self.network.update_kernels();
    sums.classification += step.sums.classification;
    sums.distillation += step.sums.distillation;
    sums.total += step.sums.total;
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
  for_each_cell(count, Gradients::off, [&](int64_t cell) {
    const at::Tensor x = self.enter_cell(data.tokens, cell, control);
    const at::Tensor logits = self.network.predict(x, control).logits;  // 1 x K
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

std::string StageTrainer::cache_problem() const { return impl_->frozen.problem(); }

Weights StageTrainer::weights() const { return impl_->network.weights(); }

Weights StageTrainer::gradients() {
  Impl& self = *impl_;
  const ThreadScope threads(self.options.num_threads);
  const Control control;
  const Cells batch = cell_range(0, self.options.batch_size, self.view.cells);
  const Contribution first = self.differentiate(batch, self.tokens_of(self.view, batch), control);
  Weights gradients;
  for (size_t i = 0; i < first.gradients.size(); ++i)
    gradients.emplace_back(self.network.trainable()[i].first, to_array(first.gradients[i]));
  return gradients;
}

void StageTrainer::keep_best() { impl_->best = impl_->network.weights(); }
Weights StageTrainer::best_weights() const { return impl_->best; }

}  // namespace canal
