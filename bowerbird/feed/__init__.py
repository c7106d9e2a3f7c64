"""What each person is shown: candidates, ranking, blending, pages."""
