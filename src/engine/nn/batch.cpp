#include "engine/nn/batch.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "engine/errors.h"

namespace canal {

namespace {

void check_length(const TokenView& tokens, int64_t positions) {
  if (tokens.length == positions || tokens.length == positions - 1) return;
  throw Error(ErrorKind::sizes, "Tokens: expected " + std::to_string(positions - 1) +
                                    " genes per cell (or " + std::to_string(positions) +
                                    " tokens with the closing one), got " +
                                    std::to_string(tokens.length) + ".");
}

int64_t check_token(uint8_t token, int64_t kinds) {
  if (token < kinds) return token;
  throw Error(ErrorKind::input, "Tokens: expected values from 0 to " + std::to_string(kinds - 1) +
                                    ", got " + std::to_string(token) + ".");
}

}  // namespace

at::Tensor token_batch(const TokenView& tokens, const std::vector<int64_t>& cells,
                       int64_t positions, int64_t kinds) {
  check_length(tokens, positions);
  at::Tensor batch = at::zeros({static_cast<int64_t>(cells.size()), positions}, at::kLong);
  int64_t* row = batch.data_ptr<int64_t>();
  for (int64_t cell : cells) {
    const uint8_t* from = tokens.data + cell * tokens.length;
    std::transform(from, from + tokens.length, row,
                   [&](uint8_t token) { return check_token(token, kinds); });
    row += positions;
  }
  return batch;
}

std::vector<int64_t> cell_range(int64_t first, int64_t count, int64_t end) {
  std::vector<int64_t> cells(std::max<int64_t>(0, std::min(count, end - first)));
  std::iota(cells.begin(), cells.end(), first);
  return cells;
}

}  // namespace canal
