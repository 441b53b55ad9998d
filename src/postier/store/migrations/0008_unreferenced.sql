-- Nobody looks blobs up by having no reference: reclaiming reads the whole table.
DROP INDEX blobs_unreferenced
