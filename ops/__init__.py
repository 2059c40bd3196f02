"""What other programs are given to watch scrollintel with: dashboards of Grafana, rules of Prometheus."""
