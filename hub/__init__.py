"""The composition root: command line, supervisor and embedded servers. The only place that joins the other packages."""
