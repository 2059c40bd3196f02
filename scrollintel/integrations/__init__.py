"""Protection inside other libraries, by their own extension points; imported lazily."""
