"""What is asked about mail from strangers: who they are, what others say of them, how often they come."""
