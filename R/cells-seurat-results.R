# How results come into a Seurat object.

# The generics are in cells.R, where the linter does not look for them.
# nolint start: object_name_linter.

#' @exportS3Method
with_cell_record.Seurat <- function(x, record) {
  need_seurat()
  # `Misc<-` warns when it replaces an entry, and replacing is what is meant here.
  x@misc$canal <- merged_record(cell_record(x), record)
  x
}

#' @exportS3Method
with_cell_results.Seurat <- function(x, findings) {
  need_seurat()
  check_findings(findings, ncol(x))
  # Not AddMetaData(), which makes R names of columns such as "canal_prob_T cell".
  x@meta.data[stale_columns(x, findings)] <- NULL
  x@meta.data[names(findings$columns)] <- findings$columns
  if (!is.null(findings$embedding)) x <- with_dim_reduc(x, findings)
  x <- with_score_assay(x, findings)
  if (!is.null(findings$call)) x <- with_command(x, findings)
  x@misc$canal <- record_with(cell_record(x), findings)
  x
}

with_dim_reduc <- function(x, findings) {
  key <- embedding_key(findings)
  embedding <- findings$embedding
  dimnames(embedding) <- list(colnames(x), paste0(key, seq_len(ncol(embedding))))
  x[[reduction_name(findings)]] <- SeuratObject::CreateDimReducObject(
    embeddings = embedding, key = key, assay = SeuratObject::DefaultAssay(x)
  )
  x
}

# Seurat has no `_` in names of features: what it would make of them, without its warning.
seurat_feature_names <- function(names) make.unique(gsub("_", "-", names, fixed = TRUE))

# Scores as an assay of types x cells.
with_score_assay <- function(x, findings) {
  name <- scores_name(findings)
  # `x[[name]] <- NULL` refuses an assay that is the default one.
  if (is.null(findings$scores)) {
    ended <- if (replaces_labels(findings)) written_scores(x, findings$prefix)
    x@assays[setdiff(ended, SeuratObject::DefaultAssay(x))] <- NULL
    return(x)
  }
  scores <- t(findings$scores)
  dimnames(scores) <- list(seurat_feature_names(rownames(scores)), colnames(x))
  assay <- SeuratObject::CreateAssayObject(data = scores)
  SeuratObject::Key(assay) <- scores_key(findings)
  x@assays[[name]] <- NULL
  # Version 5 counts what an assay holds, and warns that scores are no counts.
  withCallingHandlers(x[[name]] <- assay, warning = function(condition) {
    if (grepl("counts isn't present", conditionMessage(condition), fixed = TRUE)) {
      invokeRestart("muffleWarning")
    }
  })
  x
}

# What Seurat's own functions leave in `x@commands`, by hand: LogSeuratCommand() looks for the
# formals of the function that called it, and some of ours are models.
with_command <- function(x, findings) {
  called <- findings$call$name
  assay <- SeuratObject::DefaultAssay(x)
  usual <- findings$prefix == sub("_.*", "", called)
  name <- paste(c(called, assay, if (!usual) findings$prefix), collapse = ".")
  what <- if (is.null(findings$embedding)) "prediction" else "embedding"
  x@commands[[name]] <- methods::new(
    "SeuratCommand", name = name, time.stamp = Sys.time(), assay.used = assay,
    call.string = findings$call$text,
    params = findings$record[[findings$prefix]][[what]]$parameters
  )
  x
}
# nolint end
