#' Compare with established methods on your own data
#'
#' Annotates the same cells with established methods that are trained on all labelled data at once,
#' and with a model of canalR beside them if one is given, and measures all of them against the
#' truth.
#'
#' Every method sees the same cells: those of `train` pooled, and the genes that all of them and `x`
#' have. The methods, each with its authors' defaults unless said otherwise:
#' * `"logistic"`: multinomial logistic regression with a ridge penalty (glmnet) on log-normalised
#'   counts, log(1 + 10,000 count / total). The penalty is that of scikit-learn's C = 0.1: with n
#'   training cells lambda = 1 / (C n), genes not standardised, the intercept free. Types with one
#'   training cell cannot be fitted; they are left out and told in `note`.
#' * `"SingleR"`: SingleR on the same values, with de novo markers of the types by Wilcoxon tests
#'   (`de.method = "wilcox"`, its authors' advice for single cells), labels before pruning.
#' * `"Seurat"`: label transfer (`FindTransferAnchors()`, `TransferData()`) on log-normalised counts
#'   and 2,000 variable genes of the training cells, 30 principal components or as many as there are
#'   cells for, the 20 nearest anchors of a cell (`k.weight`; of the default, 50, many lie in other
#'   types where there are but some hundred cells).
#'
#' Each method runs with a seed of its own; your random stream stays where it was. These baselines
#' train anew with all data of all stages in hand, which a stream of stages never has: they show
#' what there is to reach.
#'
#' @param x Cells to annotate: a SingleCellExperiment, SummarizedExperiment or Seurat object, a
#'   matrix or `dgCMatrix` (genes x cells, raw counts), or the path of an `.h5ad`, a
#'   10x `.h5` file or a 10x folder.
#' @param truth The cells' true types: the name of a column of `x`, or a vector with one per cell.
#' @param train Labelled cells to train on: one object of the same kinds, or a list of them (the
#'   stages).
#' @param train_labels Their types: the name of a column, or a vector (for one object), or a list
#'   with a name or vector for each.
#' @param methods Which: some of `"logistic"`, `"SingleR"` and `"Seurat"`; `NULL` for all. One whose
#'   package is missing gets a row that says so.
#' @param model A trained [CanalModel-class] to be put beside them, or `NULL`.
#' @param seed One whole number, 0 or more; `NULL` takes one from R's random numbers without using
#'   them up.
#' @param verbose `TRUE` shows progress and says what is done; `FALSE` does neither. Warnings come
#'   either way. Each method is told as it is done.
#' @param assay.type Name of the assay (Seurat: layer, which may be split; `.h5ad`: layer, or `"X"`;
#'   10x `.h5` of several genomes: one of them) with raw counts.
#' @param num_threads Threads; `NULL` for every core this process may use, or as many as the
#'   environment variable `OMP_NUM_THREADS` says. SingleR takes them too.
#' @param ... More arguments for [canal_predict()] with `model`. `novelty` is `"none"` here,
#'   whatever the model's recipe says, as the baselines label every cell.
#'
#' @return A data frame of class `canal_comparison` with a row per method:
#'   * `method`: `"canalR"` first if `model` is given;
#'   * `accuracy`, `macro_f1`, `ari`: as [canal_evaluate()] has them, `NA` where it could not run;
#'   * `seconds`: for training and annotating; of canalR for annotating alone, as the model came
#'     trained;
#'   * `note`: why a method could not run, or what it warned of; `NA` for nothing.
#'
#'   `as.data.frame(, what = "labels")` gives the labels: a row per cell of `x`, the column `truth`
#'   and one for each method.
#' @section Errors: `canalR_error_argument` for an unknown method, `canalR_error_overlap` where `x`
#'   and the training cells have no gene in common, `canalR_error_labels`, those of
#'   [canal_prepare()]. A method that fails is no error: its row says why.
#' @source Friedman et al. (2010) *Journal of Statistical Software* 33:1 (glmnet); Aran et al.
#'   (2019) *Nature Immunology* 20:163 (SingleR); Stuart et al. (2019) *Cell* 177:1888 (Seurat).
#' @examplesIf requireNamespace("glmnet") && requireNamespace("SingleCellExperiment")
#' file <- system.file("extdata", "panc8_small.h5ad", package = "canalR")
#' pancreas <- canal_read_h5ad(file)[1:300, ]
#' train <- pancreas[, pancreas$batch == "celseq"]
#' query <- pancreas[, pancreas$batch == "celseq2"]
#' compared <- canal_compare(query, "celltype", train, "celltype", methods = "logistic", seed = 1,
#'                           verbose = FALSE)
#' compared
#' head(as.data.frame(compared, what = "labels"))
#' @export
canal_compare <- function(x, truth, train, train_labels = truth, methods = NULL, model = NULL,
                          seed = NULL, verbose = TRUE, assay.type = "counts", num_threads = NULL,
                          ...) {
  check_flag(verbose, "verbose")
  if (missing(train_labels) && length(truth) > 1) {
    canal_abort("argument", "train_labels", "the types of the cells of `train`",
                "none, and `truth` has labels of `x`",
                "Where `truth` is the name of a column, `train` is taken to have it, too.")
  }
  methods <- check_methods(methods)
  if (!is.null(model)) check_trained(model)
  if (!is.null(model)) check_predict_arguments(list(...))
  if (is.null(model) && ...length()) {
    canal_abort("argument", "...", "nothing, as there is no `model` to predict with",
                sprintf("%d arguments", ...length()))
  }
  seed <- resolve_seed(seed)
  data <- comparison_data(x, truth, train, train_labels, assay.type, thread_count(num_threads),
                          verbose)
  own <- if (!is.null(model)) list(canalR = function() {
    list(note = "annotation alone: the model came trained",
         labels = predicted_labels(own_labels(x, model, seed, num_threads, assay.type, ...)))
  })
  runs <- lapply(stats::setNames(methods, methods), function(method) {
    function() baselines[[method]]$annotate(data)
  })
  results <- Map(run_method, c(names(own), methods), c(own, runs),
                 MoreArgs = list(seed = seed, truth = data$truth, verbose = verbose))
  comparison_table(results, data)
}

# The baselines label every cell, so canalR does, unless it is told otherwise.
own_labels <- function(x, model, seed, num_threads, assay.type, novelty = "none", ...) {
  canal_predict(x, model, novelty = novelty, ..., seed = seed, verbose = FALSE,
                num_threads = num_threads, assay.type = assay.type)
}

# A misspelt argument must not look like a method that could not run.
check_predict_arguments <- function(given) {
  known <- setdiff(names(formals(canal_predict)),
                   c("x", "model", "prefix", "seed", "verbose", "num_threads", "assay.type"))
  unknown <- setdiff(names(given), known)
  if (length(unknown) || length(names(given)) < length(given)) {
    canal_abort("argument", "...", paste("arguments of canal_predict():", toString(known)),
                if (length(unknown)) some_of(unknown) else "one without a name")
  }
  if (!is.null(given$min_genes)) {
    check_number(given$min_genes, "min_genes", 0, .Machine$integer.max)
  }
}

check_methods <- function(methods) {
  if (is.null(methods)) return(names(baselines))
  known <- is.character(methods) && all(methods %in% names(baselines))
  if (!known || !length(methods) || !is.null(dim(methods))) {
    canal_abort("argument", "methods",
                paste("some of", paste0("\"", names(baselines), "\"", collapse = ", ")),
                describe_value(methods))
  }
  unique(methods)
}

# What every baseline gets: `train` and `query` (dgCMatrices of raw counts, the same genes), `types`
# of the training cells; `truth` and `cells` of the query; `threads`.
comparison_data <- function(x, truth, train, train_labels, assay.type, threads, verbose) {
  query <- told(cells_of(x, assay.type), verbose)
  check_counts(query$counts, threads, raw_hint(query$others))
  truth <- labels_of(query, truth, "truth")
  if (is.list(train) && !length(train)) {
    canal_abort("empty", "train", "at least one training set", "an empty list")
  }
  stages <- told(lapply(as_sources(train), cells_of, assay.type), verbose)
  for (stage in stages) check_counts(stage$counts, threads, raw_hint(stage$others))
  types <- Map(labels_of, stages, labels_by_source(train_labels, length(stages)),
               "train_labels")
  parts <- lapply(stages, `[[`, "counts")
  genes <- Reduce(intersect, lapply(c(parts, query$counts), rownames))
  if (!length(genes)) {
    canal_abort("overlap", "x", "genes that the training cells have too", "none",
                "Check that all name genes in the same way.")
  }
  pooled <- bind_cells(parts, genes)
  cells <- colnames(query$counts)
  # Cells of different sources may share names, which some methods go by.
  colnames(pooled) <- paste0("train", seq_len(ncol(pooled)))
  query <- rows_of_genes(query$counts, genes)
  colnames(query) <- paste0("query", seq_along(cells))
  list(train = pooled, types = unlist(types, use.names = FALSE), query = query, truth = truth,
       cells = cells, threads = threads)
}

labels_by_source <- function(labels, n) {
  one_name <- is.character(labels) && length(labels) == 1
  given <- if (is.list(labels)) labels else if (one_name) rep(list(labels), n) else list(labels)
  if (length(given) == n) return(given)
  canal_abort("labels", "train_labels",
              sprintf("the name of a column, or labels for each of the %d training sets", n),
              sprintf("labels for %d", length(given)), "A list has one entry for each.")
}

# Labels of a method, its seconds and what there is to say of it. A method that fails must not cost
# the results of the others, so its error becomes the note. annotate(): list(labels, note).
run_method <- function(name, annotate, seed, truth, verbose) {
  notes <- character()
  started <- proc.time()[["elapsed"]]
  result <- tryCatch(
    withCallingHandlers(
      with_seed(seed, keep_lent_options(annotate())),
      warning = function(warning) {
        notes <<- c(notes, paste("warned:", conditionMessage(warning)))
        tryInvokeRestart("muffleWarning")
      }
    ),
    error = function(error) list(note = paste("could not run:", conditionMessage(error)))
  )
  seconds <- proc.time()[["elapsed"]] - started
  notes <- gsub("[[:space:]]+", " ", unique(c(result$note, notes)))
  result <- list(labels = result$labels, seconds = seconds,
                 note = if (length(notes)) paste(notes, collapse = "; ") else NA_character_)
  if (!is.null(result$labels)) {
    result$evaluation <- evaluate_labels(result$labels, truth, character())
  }
  canal_inform("method", paste0(name, ": ", outcome_text(result)), verbose)
  result
}

outcome_text <- function(result) {
  if (is.null(result$labels)) return(result$note)
  sprintf("%s, %.1f s", headline(result$evaluation), result$seconds)
}

comparison_table <- function(results, data) {
  measure <- function(name) {
    vapply(results, function(result) c(result$evaluation[[name]], NA_real_)[1], 0)
  }
  ran <- !vapply(results, function(result) is.null(result$labels), NA)
  table <- data.frame(
    method = names(results), accuracy = measure("accuracy"), macro_f1 = measure("macro_f1"),
    ari = measure("ari"),
    seconds = ifelse(ran, vapply(results, `[[`, 0, "seconds"), NA_real_),
    note = vapply(results, `[[`, "", "note"), row.names = NULL, stringsAsFactors = FALSE
  )
  labels <- data.frame(c(list(truth = data$truth), lapply(results[ran], `[[`, "labels")),
                       row.names = data$cells, check.names = FALSE, stringsAsFactors = FALSE)
  structure(table, class = c("canal_comparison", "data.frame"), labels = labels,
            trained_on = length(data$types))
}

#' @rdname canal_compare
#' @method print canal_comparison
#' @export
print.canal_comparison <- function(x, ...) {
  cat(sprintf("<canal_comparison> %s cells, trained on %s\n", thousands(nrow(attr(x, "labels"))),
              thousands(attr(x, "trained_on"))))
  table <- as.data.frame(x)
  for (name in c("accuracy", "macro_f1", "ari")) table[[name]] <- share(table[[name]], "-")
  table$seconds <- ifelse(is.na(table$seconds), "-", sprintf("%.1f", table$seconds))
  print(table[c("method", "accuracy", "macro_f1", "ari", "seconds")], row.names = FALSE)
  noted <- table[!is.na(table$note), ]
  for (text in sprintf("%s: %s", noted$method, noted$note)) {
    cat(strwrap(text, getOption("width"), indent = 2, exdent = 4), sep = "\n")
  }
  invisible(x)
}

#' @rdname canal_compare
#' @param row.names,optional As in [as.data.frame()].
#' @param what `"measures"`, a row per method; or `"labels"`, a row per cell.
#' @method as.data.frame canal_comparison
#' @export
as.data.frame.canal_comparison <- function(x, row.names = NULL, optional = FALSE, ...,
                                           what = c("measures", "labels")) {
  if (missing(what)) what <- what[1]
  check_choice(what, c("measures", "labels"), "what")
  if (what == "labels") {
    return(as.data.frame(attr(x, "labels"), row.names = row.names, optional = optional))
  }
  as.data.frame(unclass(x)[c("method", "accuracy", "macro_f1", "ari", "seconds", "note")],
                row.names = row.names, stringsAsFactors = FALSE)
}

# A choice of columns is a plain table.
#' @export
`[.canal_comparison` <- function(x, ...) {
  chosen <- as.data.frame(x)[...]
  if (!is.data.frame(chosen) || !identical(names(chosen), names(x))) return(chosen)
  structure(chosen, class = class(x), labels = attr(x, "labels"),
            trained_on = attr(x, "trained_on"))
}
