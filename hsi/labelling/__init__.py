"""Draw labels on a scene and map it: what ``hsi label`` does, without its page.

:class:`hsi.labelling.store.LabelStore` holds the labels of one scene and saves them after each change::

    store = LabelStore("scene_labels.gpkg", scene)          # a Scene; opened if the file is there, else created
    corn = store.add_class("corn")                          # LabelClass(id, name, colour)
    shape = store.add(corn.id, polygon(corners))            # Shape; pixels (column, row), (0, 0) the upper left corner
    store.edit(shape.id, geometry); store.move(shape.id, columns, rows); store.reclass(shape.id, class_id)
    store.delete(shape.id); store.undo(); store.redo()      # all saved when they return; undo_text, redo_text name them
    store.rename_class(id, name); store.recolour_class(id, (r, g, b)); store.merge_classes(id, into)
    store.delete_class(id); store.import_classes(path); store.import_shapes(path)
    store.classes; store.shapes; store.find(column, row); store.counts(); store.revision; store.table
    store.rasterize()                                       # LabelMap (H, W), with the shape of each pixel
    store.subscribe(listener)                               # listener(edit) after each change; edit.window((H, W))

Geometries are shapely's. :mod:`hsi.labelling.regions` makes them of corners, brush strokes and spectral angles.
:func:`hsi.labelling.cross_validation.cross_validate` gives the accuracy on shapes that were held out, as a ``text``.
Errors are those of :mod:`hsi.errors`, with one line for the user.
"""
