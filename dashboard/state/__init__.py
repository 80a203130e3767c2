"""What a browser session shows: the view, its link, the stored answer, the jobs it waits for."""
