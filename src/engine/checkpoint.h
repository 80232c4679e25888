// Reading checkpoints of the published Python programs. Nothing in a pickle is ever executed.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "engine/array.h"

namespace canal {

struct Checkpoint {
  Weights weights;                       // float32, whatever the file holds
  std::vector<std::string> annotation;   // CANAL: type names, empty where absent
  std::vector<int64_t> variable_genes0;  // CANAL: places of the chosen genes, empty where absent
  std::vector<std::string> skipped;      // what the file also holds and canalR does not know
};

// A `.pth` of scBERT or CANAL, zip or legacy form.
Checkpoint read_checkpoint(const std::string& path);

// A numeric `.npy` table (rows x columns), any float or integer type and memory order.
FloatArray read_npy(const std::string& path);

struct WordVectors {
  std::vector<std::string> words;
  FloatArray table;  // words x width
};

// word2vec's text form, with or without its header line of counts.
WordVectors read_word2vec(const std::string& path);

}  // namespace canal
