#include "engine/cellular/checks.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "engine/errors.h"
#include "engine/nn/operators.h"
#include "engine/nn/random.h"
#include "engine/runtime/for_each_cell.h"

namespace canal {

void check_whole_batches(const DescentOptions& options) {
  if (options.team)
    throw Error(ErrorKind::input, "A mini-batch of CELLULAR cannot be shared out among workers.");
  if (options.accumulation != 1)
    throw Error(ErrorKind::input, "A step of CELLULAR is one mini-batch.");
  if (options.compute.device != "cpu")
    throw Error(ErrorKind::input,
                "CELLULAR is computed on the CPU, not on \"" + options.compute.device + "\".");
}

void check_dropout(double dropout) {
  if (!(dropout >= 0 && dropout < 1))
    throw Error(ErrorKind::input, "The dropout must lie in [0, 1).");
}

void check_codes(const std::vector<int32_t>& codes, int64_t cells, int64_t count,
                 const std::string& what) {
  if (static_cast<int64_t>(codes.size()) != cells)
    throw Error(ErrorKind::sizes, "Expected a " + what + " for each of " + std::to_string(cells) +
                                      " cells, got " + std::to_string(codes.size()) + ".");
  for (const int32_t code : codes)
    if (code < 0 || code >= count)
      throw Error(ErrorKind::input, "There is no " + what + " " + std::to_string(code) +
                                        " (from 0) among " + std::to_string(count) + ".");
}

std::vector<int64_t> checked_order(const std::vector<int64_t>& order, int64_t cells,
                                   at::Generator& generator) {
  if (order.empty()) return draw_permutation(cells, generator);
  for (const int64_t cell : order)
    if (cell < 0 || cell >= cells)
      throw Error(ErrorKind::input, "There is no cell " + std::to_string(cell) +
                                        " (from 0) among " + std::to_string(cells) + ".");
  return order;
}

at::Tensor draw_kept(int64_t cells, int64_t width, double dropout, at::Generator& generator) {
  if (dropout == 0) return {};
  const int64_t parts = (cells + cells_in_part - 1) / cells_in_part;
  const at::Tensor seeds = at::empty({parts}, at::kLong).random_(generator);
  const at::Tensor kept = at::empty({cells, width}, at::kFloat);
  for_each_cell(parts, Gradients::off, [&](int64_t i) {
    at::Generator own = make_generator(static_cast<uint64_t>(seeds.data_ptr<int64_t>()[i]));
    const int64_t first = i * cells_in_part;
    kept.narrow(0, first, std::min(cells_in_part, cells - first))
        .uniform_(0, 1, own)
        .ge_(dropout)
        .mul_(1 / (1 - dropout));
  });
  return kept;
}

}  // namespace canal
